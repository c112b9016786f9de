"""Write a table with merged cells, as `tables.json` describes it, as a file of its format."""

import html
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))


def build(table, folder: Path) -> Path:
    """The file of a table in a folder, made by the library of its format."""
    file = folder / f"{table['name']}.{table['format']}"
    file.write_bytes(WRITERS[table["format"]](table))
    return file


def placed(rows):
    """(row, column, height, width, text) of each cell, and the size of the grid."""
    taken, cells = set(), []
    for y, row in enumerate(rows):
        x = 0
        for cell in row:
            while (y, x) in taken:
                x += 1
            height, width = cell.get("rows", 1), cell.get("cols", 1)
            taken |= {(y + dy, x + dx) for dy in range(height) for dx in range(width)}
            cells.append((y, x, height, width, cell["text"]))
    return cells, max(y for y, _ in taken) + 1, max(x for _, x in taken) + 1


def docx(table):
    from docx import Document

    cells, height, width = placed(table["rows"])
    word = Document()
    word.add_heading(table["title"], 1)
    word.add_paragraph(table["intro"])
    made = word.add_table(height, width)
    for y, x, dy, dx, text in cells:
        made.cell(y, x).merge(made.cell(y + dy - 1, x + dx - 1)).text = text
    return saved(word)


def pptx(table):
    from pptx import Presentation
    from pptx.util import Inches

    cells, height, width = placed(table["rows"])
    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = table["title"]
    slide.shapes.add_textbox(Inches(1), Inches(1.5), Inches(8), Inches(1)).text_frame.text = table["intro"]
    made = slide.shapes.add_table(height, width, Inches(1), Inches(2.5), Inches(8), Inches(4)).table
    for y, x, dy, dx, text in cells:
        if dy > 1 or dx > 1:
            made.cell(y, x).merge(made.cell(y + dy - 1, x + dx - 1))
        made.cell(y, x).text = text
    return saved(show)


def xlsx(table):
    from samples import members, workbook, zipped

    cells, _, _ = placed(table["rows"])
    below = 3  # the title and the sentence about it
    texts = [(0, 0, table["title"]), (1, 0, table["intro"]), *((y + below, x, text) for y, x, _, _, text in cells)]
    merged = [f"{name(y + below, x)}:{name(y + below + dy - 1, x + dx - 1)}" for y, x, dy, dx, _ in cells if dy * dx > 1]
    by_row = {}
    for y, x, text in texts:
        cell = f'<c r="{name(y, x)}" t="inlineStr"><is><t>{html.escape(text)}</t></is></c>'
        by_row.setdefault(y, []).append((x, cell))
    rows = "".join(f'<row r="{y + 1}">{"".join(cell for _, cell in sorted(row))}</row>' for y, row in sorted(by_row.items()))
    merges = "".join(f'<mergeCell ref="{area}"/>' for area in merged)
    merges = f"<mergeCells>{merges}</mergeCells>" if merged else ""
    files = members(workbook({"Sheet1": rows}))
    files["xl/worksheets/s1.xml"] = files["xl/worksheets/s1.xml"].replace(b"</sheetData>", f"</sheetData>{merges}".encode())
    return zipped(files)


def web(table):
    rows = [
        "".join(
            f'<td rowspan="{cell.get("rows", 1)}" colspan="{cell.get("cols", 1)}">{html.escape(cell["text"])}</td>'
            for cell in row
        )
        for row in table["rows"]
    ]
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    title = html.escape(table["title"])
    page = f"<title>{title}</title><body><h1>{title}</h1><p>{html.escape(table['intro'])}</p><table>{body}</table>"
    return f'<!doctype html><html><head><meta charset="utf-8">{page}</body></html>'.encode()


def name(y, x):
    return f"{chr(65 + x)}{y + 1}"


def saved(made):
    made.save(out := io.BytesIO())
    return out.getvalue()


WRITERS = {"docx": docx, "pptx": pptx, "xlsx": xlsx, "html": web}
