"""vggss-tools: build, extend and score sound-source localisation benchmarks such as VGG-SS."""

__version__ = "0.1.0"
