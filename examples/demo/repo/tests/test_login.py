from login import login


def test_the_right_password_lets_in():
    assert login("ada", "lovelace")
    assert login("grace", "hopper")


def test_a_wrong_password_does_not():
    assert not login("ada", "hopper")
    assert not login("ada", "")


def test_an_unknown_user_is_refused():
    assert not login("charles", "lovelace")
