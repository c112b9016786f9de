"""Tells whether the first row of a file holds the names of its columns. A wrong name does more harm than none.

A row of texts over rows of texts may as well be the first record. Names are words that columns often have, or they are
unlike what stands below them: without the numbers of their column, in capitals, shorter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ingest.parsers.rows import is_value

_ALIKE_SHARE = 0.8
_MAX_NAME_WORDS = 4
_WORD = re.compile(r"[^\W\d_]+")
_DIGIT = re.compile(r"\d")
_LONG_WORDS = 4
_USUAL_PARTS = frozenset(
    "id name names date price number no nr code type total amount count datum preis nummer anzahl betrag typ prix nom numéro "
    "nombre precio fecha número 编号 姓名 名称 日期 价格".split()
)
"""Words that make a name of any cell of a few words: "first name", "price in euros"."""
_USUAL = _USUAL_PARTS | frozenset(
    "abbreviation address age answer area article author birthday brand capacity category city class colour color comment "
    "company contact cost country currency customer department description duration email e-mail employee end fee floor gender "
    "group guest hours item job key label language level link location mail material member note notes occupation opens closes "
    "order owner person phone place position product profession quantity question rating reason region remark remarks role room "
    "score sex size source species start state status street subject supplier surname tel telephone term text thing time title "
    "topic town unit url user value version weight year zip "
    "abteilung adresse alter antwort artikel autor bemerkung beruf beschreibung bestand einheit farbe firma frage gewicht größe "
    "gruppe kategorie kosten kunde land lieferant menge notiz ort person plz position produkt raum sprache stadt status straße "
    "strasse stück telefon thema titel uhrzeit vorname nachname ware wert zeit zimmer "
    "adresse âge auteur catégorie client description pays produit quantité réponse téléphone ville "
    "apellido categoría ciudad cliente cantidad descripción dirección edad país producto respuesta teléfono "
    "产品 商品 品名 颜色 数量 单价 金额 地址 电话 手机 邮箱 城市 国家 部门 职位 职业 年龄 性别 房间 类型 "
    "类别 时间 备注 说明 状态 单位 序号 "
    "学校 班级 问题 答案 标题 作者 地点 规格 型号 品牌".split()
)
_CHINESE = tuple(word for word in _USUAL if "\u4e00" <= word[0] <= "\u9fff")


def are_told_apart(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether anything says that the cells of a row are the names of the columns below."""
    if any(map(_is_usual, first)):
        return True
    columns = ([row[at].strip() for row in below if at < len(row) and row[at].strip()] for at in range(len(first)))
    pairs = [(cell.strip(), column) for cell, column in zip(first, columns, strict=True) if cell.strip() and column]
    otherwise_written = sum(_differs(cell, column, _CASES) for cell, column in pairs)
    return 2 * otherwise_written > len(pairs) or any(
        _differs(cell, column, _KINDS if len(column) > 1 else _KINDS_OF_ONE) for cell, column in pairs
    )


def _is_usual(cell: str) -> bool:
    """Whether a cell is a name that columns often have, or ends with one as Chinese names do."""
    words = _WORD.findall(cell.casefold().replace("_", " "))
    if len(words) > _MAX_NAME_WORDS:
        return False
    whole = "".join(cell.casefold().split()).rstrip(":")
    return whole in _USUAL or whole.endswith(_CHINESE) or any(word in _USUAL_PARTS for word in words)


def _differs(cell: str, column: Sequence[str], forms: Sequence[Callable[[str], bool]]) -> bool:
    """Whether nearly all cells of a column have one of these forms that the cell above them has not."""
    return any(not form(cell) and sum(map(form, column)) >= _ALIKE_SHARE * len(column) for form in forms)


def _is_long(cell: str) -> bool:
    return len(cell.split()) >= _LONG_WORDS


def _has_digit(cell: str) -> bool:
    return _DIGIT.search(cell) is not None


_KINDS_OF_ONE: tuple[Callable[[str], bool], ...] = (is_value, _has_digit)
_KINDS: tuple[Callable[[str], bool], ...] = (*_KINDS_OF_ONE, _is_long, str.isupper)
"""The forms that tell the name of a column from its cells; some only where there are several, as one text is no rule."""
_CASES: tuple[Callable[[str], bool], ...] = (
    lambda cell: cell[0].isupper(),
    lambda cell: cell[0].islower(),
    lambda cell: not cell.isupper(),
)
"""How words are written; most of the columns have to differ in it, as names of towns and countries do too."""
