"""The review plugin that FiftyOne loads; shipped in the wheel.

FiftyOne runs this module anew whenever it looks at its plugins. All that lasts is therefore in
:mod:`vggss_tools.verify.desk`.
"""

from __future__ import annotations

from typing import Any

from fiftyone import operators

from vggss_tools.errors import VggssError


def _desk_operator(action: str) -> type:
    """Make the operator that hands its parameters to the method of that name of the desk."""

    class DeskOperator(operators.Operator):  # type: ignore[misc, name-defined]
        @property
        def config(self) -> Any:
            return operators.OperatorConfig(
                name=action, label=f"vggss: {action}", unlisted=True, dynamic=False
            )

        def execute(self, ctx: Any) -> dict[str, Any]:
            from vggss_tools.verify.desk import current_desk

            try:
                result: dict[str, Any] = getattr(current_desk(), action)(**ctx.params)
            except (VggssError, OSError, ValueError) as error:
                # One line for the reviewer; the browser shows it and stays on the clip.
                return {"refused": str(error)}
            return result

    DeskOperator.__name__ = action.title()
    return DeskOperator


def register(plugin: Any) -> None:
    """Give FiftyOne the operators that ``fiftyone.yml`` names."""
    for action in ("opening", "question", "answer", "edit", "undo"):
        plugin.register(_desk_operator(action))
