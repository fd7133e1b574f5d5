"""What faults say."""

from neuro4d import Fault


def test_a_message_names_all_that_is_set():
    assert Fault.NONE.message == "no fault"
    every = Fault(sum(Fault))
    assert all(fault.message in every.message and fault.message != fault.name for fault in Fault)
