"""Numbers in any writing."""

import pytest

from ragbot.answer.lexical import unvetoed
from ragbot.text.numbers import numbers


def readings(text):
    return [set(one) for one in numbers(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The bar closes at 9 pm.", "Bar: until 21:00"),
        ("The bar closes at 9:30 p.m.", "Bar: until 21:30"),
        ("酒吧晚上九点关门", "The bar closes at 9 p.m."),
        ("下午3点集合", "We meet at 15:00."),
        ("within thirty days", "30 days"),
        ("twenty-five chairs", "25 chairs"),
        ("two hundred guests", "200 guests"),
        ("两百五十元", "250 yuan"),
        ("一万二千人", "12,000 people"),
        ("二〇二五年", "2025"),
        ("£6.50", "6.5 pounds"),
    ],
)
def test_one_number_in_two_writings_is_the_same(one, other):
    (first,), (second,) = readings(one), readings(other)
    assert first & second


@pytest.mark.parametrize(
    ("one", "other"),
    [("9 am", "21:00"), ("9:30", "9:00"), ("thirteen", "30"), ("两百五十", "25"), ("1,200", "200"), ("上午九点", "21:00")],
)
def test_other_numbers_differ(one, other):
    (first,), (second,) = readings(one), readings(other)
    assert not first & second


def test_words_that_count_nothing_are_no_numbers():
    assert readings("this one is for everyone, and no one else; 一起 走") == []


@pytest.mark.parametrize(
    ("claim", "said", "passes"),
    [
        ("You have a fortnight, that is 14 days.", "Returns are taken for fourteen days.", True),
        ("You have 15 days.", "Returns are taken for fourteen days.", False),
        ("You can ask Priya Nandra.", "Write to Priya Nandra.", True),
        ("You can ask Marta Kowalczyk.", "Write to Priya Nandra.", False),
        ("Order part AX-12.", "The valve is part AX-12.", True),
        ("Order part AX-13.", "The valve is part AX-12.", False),
        ("Write to swaps@fern.example.", "Write to swap@fern.example.", False),
        ("九点半开门", "Open from 9:30.", True),
    ],
)
def test_a_number_code_address_or_name_that_is_nowhere_is_a_veto(claim, said, passes):
    assert unvetoed(claim, said) is passes
