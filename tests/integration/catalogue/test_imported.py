"""Labels that came with somebody else's evidence, kept on both databases apart from those of runs."""

from labeler.catalogue.records import CandidateRecord


def label(text, explainer="gpt", description=""):
    return CandidateRecord(label=text, explainer=explainer, description=description, contexts=None)


def test_they_come_back_in_order_and_are_nobodys_but_their_dictionarys(catalogue):
    catalogue.keep_imported("one", {7: [label("war"), label("peace")], 2: [label("months", description="of spring")]})
    catalogue.keep_imported("other", {7: [label("rivers")]})
    assert list(catalogue.imported("one")) == [
        (2, [label("months", description="of spring")]),
        (7, [label("war"), label("peace")]),
    ]
    assert list(catalogue.imported("one", [7, 9])) == [(7, [label("war"), label("peace")])]
    assert list(catalogue.imported("none")) == []


def test_what_is_there_already_is_not_added_again(catalogue):
    catalogue.keep_imported("one", {7: [label("war")]})
    catalogue.keep_imported("one", {7: [label("War "), label("peace"), label("war", "claude")], 8: [label("war")]})
    found = {index: [(one.label, one.explainer) for one in mine] for index, mine in catalogue.imported("one")}
    assert found == {7: [("war", "gpt"), ("peace", "gpt"), ("war", "claude")], 8: [("war", "gpt")]}


def test_those_of_an_older_dictionary_of_the_name_are_forgotten(catalogue):
    catalogue.keep_imported("one", {7: [label("war")]})
    catalogue.keep_imported("other", {7: [label("rivers")]})
    catalogue.keep_imported("one", {8: [label("peace")]}, anew=True)
    assert list(catalogue.imported("one")) == [(8, [label("peace")])]
    assert list(catalogue.imported("other")) == [(7, [label("rivers")])]


def test_many_are_read_by_pages(catalogue):
    catalogue.keep_imported("one", {index: [label(f"label {index}")] for index in range(1_203)})
    assert [index for index, _ in catalogue.imported("one")] == list(range(1_203))
