"""What is wrong in a file of boxes, and which boxes break the rules of annotation."""
