"""Markdown becomes sections that can be found, linked and quoted."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from services.retrieval.sections import MAX_SECTION_CHARACTERS, read_documents, split

DOCUMENT = """Before any heading.

# Breaker

What it is.

## Set-up ##
```python
# no heading
```
~~~
```
## none either
~~~
## Set-up
Again.
"""


def test_a_document_is_split_at_its_headings() -> None:
    """Each heading starts a section; the text before the first one is a section as well."""
    found = list(split("docs/breaker.md", DOCUMENT))
    assert [(s.heading, s.anchor) for s in found] == [
        ("breaker", ""),
        ("Breaker", "breaker"),
        ("Set-up", "set-up"),
        ("Set-up", "set-up-1"),
    ]
    assert found[1].text == "What it is."
    assert found[3].text == "Again."


def test_a_hash_in_a_code_fence_is_no_heading() -> None:
    """Fences of both kinds, also one inside the other, keep their lines together."""
    fenced = list(split("docs/breaker.md", DOCUMENT))[2]
    assert "# no heading" in fenced.text
    assert "## none either" in fenced.text


def test_the_first_heading_is_the_title() -> None:
    """A document is called by its first heading, or by its file's name."""
    assert {s.title for s in split("a.md", "# One\ntext\n# Two\ntext")} == {"One"}
    assert {s.title for s in split("docs/plain.md", "only text")} == {"plain"}


def test_a_long_section_is_cut_between_paragraphs() -> None:
    """No section exceeds the limit, and no text is lost."""
    text = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(30))
    found = list(split("a.md", f"# Long\n{text}"))
    assert len(found) > 1
    assert all(len(s.text) <= MAX_SECTION_CHARACTERS for s in found)
    assert all(s.text.startswith("Paragraph") for s in found)
    assert {s.anchor for s in found} == {"long"}


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab #`~\n\t1-.é", max_size=300))
def test_any_text_can_be_split(text: str) -> None:
    """No text breaks the splitter, and every word survives in a heading or a body."""
    found = list(split("x.md", text))
    kept = "".join(f"{s.heading} {s.text}" for s in found)
    assert kept.count("é") >= text.count("é")
    assert all(len(s.text) <= MAX_SECTION_CHARACTERS for s in found)


def test_only_the_projects_documents_are_read(tmp_path: Path) -> None:
    """README.md, docs/ and the services' READMEs are read, in a stable order; nothing else."""
    for name in ("README.md", "docs/deep/a.md", "services/x/README.md", "other/b.md", "docs/c.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    (tmp_path / "docs/broken.md").write_bytes(b"# bytes \xff\xfe\n")
    (tmp_path / "docs/huge.md").write_bytes(b"# huge\n" + b"a" * 1_100_000)
    assert [s.path for s in read_documents(tmp_path)] == [
        "README.md",
        "docs/broken.md",
        "docs/deep/a.md",
        "services/x/README.md",
    ]
