"""What Home Assistant takes: rules of its discovery documents, and the real one beside the real agent."""

BOXES = '''
from algos import BaseAlgo

class Boxes(BaseAlgo):
    """Two boxes, and a number."""

    def run(self, frames):
        return {"objects": [{"box": [0.1, 0.1, 0.2, 0.2]}] * 2, "left": {"count": 7}}
'''
