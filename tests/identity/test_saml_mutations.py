"""Whatever is changed in a valid response: either it is refused, or it means exactly what it meant."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
from lxml import etree

from services.identity.rules.sso import StepFailed
from tests.identity.saml_documents import answer, judge

SEED = 20260711
BYTES = 400
WORDS = [
    b"eve", b"<!---->", b"&#0;", b"&amp;", b"<saml:NameID>eve@northwind.test</saml:NameID>", b'"', b"'", b">", b"<", b"/>", b" ",
    b"\0", b"\xff", b"]]>", b"<x/>", b'ID="_a1"', b'xmlns="urn:x"', b"xml:", b":", b"\n", b"\xe2\x80\x8b", b"AAAA", b"==",
]  # fmt: skip


def mutated_bytes(content: bytes, chance: random.Random) -> bytes:
    """One piece replaced, removed, put in, doubled, or moved."""
    a, b = sorted(chance.sample(range(len(content)), 2))
    b = min(b, a + chance.choice([1, 2, 8, 40, 400]))
    piece, word = content[a:b], chance.choice(WORDS)
    kind = chance.randrange(6)
    if kind == 0:
        return content[:a] + bytes([content[a] ^ (1 << chance.randrange(8))]) + content[a + 1 :]
    if kind == 1:
        return content[:a] + content[b:]
    if kind == 2:
        return content[:a] + word + content[a:]
    if kind == 3:
        return content[:a] + word + content[b:]
    if kind == 4:
        return content[:b] + piece + content[b:]
    rest = content[:a] + content[b:]
    to = chance.randrange(len(rest))
    return rest[:to] + piece + rest[to:]


def mutated_trees(root: etree._Element) -> Iterator[etree._Element]:
    """Each element removed, doubled, renamed, refilled, moved; each attribute removed, blanked, changed; one at a time."""

    def change(element: etree._Element, how: Callable[[etree._Element], object]) -> etree._Element:
        copy = deepcopy(root)
        how(copy.find(path) if (path := root.getroottree().getelementpath(element)) != "." else copy)  # type: ignore[arg-type]
        return copy

    def refill(one: etree._Element) -> None:
        for child in list(one):
            one.remove(child)
        one.text = "eve@northwind.test"

    for element in root.iter():
        yield change(element, refill)
        yield change(element, lambda one: setattr(one, "text", (one.text or "") + "x"))
        yield change(
            element,
            lambda one: setattr(one, "tail", (one.tail or "") + "x") if one.getparent() is not None else refill(one),
        )
        yield change(element, lambda one: setattr(one, "tag", "{urn:x}" + etree.QName(one).localname))
        yield change(element, lambda one: one.append(etree.Element("{urn:x}new")))
        yield change(element, lambda one: one.set("new", "x"))
        for name in element.attrib:
            yield change(element, lambda one, name=name: one.attrib.pop(name))
            yield change(element, lambda one, name=name: one.set(name, ""))
            yield change(element, lambda one, name=name: one.set(name, one.get(name, "") + "x"))
        if element is root:
            continue
        yield change(element, lambda one: one.getparent().remove(one))  # type: ignore[union-attr]
        yield change(element, lambda one: one.addnext(deepcopy(one)))
        yield change(element, lambda one: one.getroottree().getroot().append(one))
        yield change(element, lambda one: one.getroottree().getroot().insert(0, deepcopy(one)))


@pytest.mark.parametrize("over", ["assertion", "response", "both"])
def test_a_changed_response_is_refused_or_means_what_it_meant(over: str) -> None:
    valid = answer(over=over)
    meant = judge(valid)
    content = etree.tostring(valid)
    chance = random.Random(f"{SEED} {over}")
    changed = [mutated_bytes(content, chance) for _ in range(BYTES)]
    changed += [etree.tostring(tree) for tree in mutated_trees(valid)]
    outcomes: Counter[str] = Counter()
    for document in changed:
        try:
            outcome = judge(document)
        except StepFailed as refused:
            outcomes[refused.step] += 1
            continue
        assert outcome == meant, document
        outcomes["accepted"] += 1
    assert sum(outcomes.values()) > 600
    assert outcomes["accepted"] > 5, "some changes mean nothing, and so the comparison is made"
    assert {"document", "signature"} <= set(outcomes)
