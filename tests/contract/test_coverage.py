"""Every sentence of the tracking contract has a test, and every test of one a sentence."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
CONTRACT = HERE.parents[1] / "docs" / "tracking-contract.md"


def sentences() -> list[int]:
    return [int(number) for number in re.findall(r"^(\d+)\. ", CONTRACT.read_text(), re.MULTILINE)]


def numbers_of_tests() -> set[int]:
    found = set()
    for path in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and (
                number := re.match(r"test_(\d\d)_", node.name)
            ):
                found.add(int(number[1]))
    return found


def test_the_sentences_are_numbered_without_a_gap() -> None:
    assert sentences() == list(range(1, len(sentences()) + 1))


def test_every_sentence_has_a_test_and_every_test_a_sentence() -> None:
    assert numbers_of_tests() == set(sentences())
