"""Numbers in any writing."""

import pytest

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
