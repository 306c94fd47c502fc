"""XML from strangers, read so that nothing in it is carried out: no document types, entities, stylesheets, fetching, or huge trees."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

MOST_BYTES = 256 * 1024
MOST_ELEMENTS = 5_000
MOST_ATTRIBUTES = 32
MOST_NAMESPACES = 32
DEEPEST = 32
IDENTIFIERS = frozenset({"id", "xml:id", "{http://www.w3.org/XML/1998/namespace}id"})

PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
NAMESPACES = {"samlp": PROTOCOL, "saml": ASSERTION, "md": METADATA, "ds": SIGNATURE}


class Unreadable(Exception):
    """No document that is read; the text says why, for a person."""


def read_document(content: bytes, *, remarks: bool) -> etree._Element:
    """The root of a UTF-8 document of at most 256 KiB. `remarks`: comments are passed over, and not a reason to refuse it."""
    if len(content) > MOST_BYTES:
        raise Unreadable(f"it is longer than {MOST_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Unreadable("it isn't written in UTF-8") from None
    _check_markup(text, remarks)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        collect_ids=False,
        remove_comments=remarks,
        remove_pis=remarks,
        remove_blank_text=False,
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError:
        raise Unreadable("it isn't well-formed XML") from None
    _check_size(root)
    return root


def text_of(element: etree._Element | None) -> str:
    """The text of an element that holds nothing but text; blank when there is none, or something else is in it."""
    return "" if element is None or len(element) else (element.text or "").strip()


def identifiers(root: etree._Element) -> Iterator[str]:
    """The values of all attributes that a reference could mean, however they are spelled."""
    for element in root.iter():
        for name, value in element.attrib.items():
            if str(name).rpartition("}")[2].lower() == "id":
                yield str(value)


def _check_markup(text: str, remarks: bool) -> None:
    """Looks at the letters before anything parses them; `<!` and `<?` have no other meaning wherever they stand."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable("it holds a document type or entities")
    if not remarks and "<!" in text:
        raise Unreadable("it holds a comment or a CDATA section, by which values can be cut")
    if not remarks and "<?" in text.removeprefix("<?xml "):
        raise Unreadable("it holds a processing instruction")
    if text.count("<") > 2 * MOST_ELEMENTS:
        raise Unreadable("it holds too many elements")


def _check_size(root: etree._Element) -> None:
    depths = {root: 1}
    for number, element in enumerate(root.iter(), 1):
        if not isinstance(element.tag, str):
            raise Unreadable("it holds something besides elements and text")
        parent = element.getparent()
        depth = depths[element] = 1 if parent is None else depths[parent] + 1
        if number > MOST_ELEMENTS or depth > DEEPEST:
            raise Unreadable("it holds too many elements")
        if len(element.attrib) > MOST_ATTRIBUTES or len(element.nsmap) > MOST_NAMESPACES:
            raise Unreadable("it holds too many attributes")
