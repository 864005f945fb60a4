import unittest

from ocellus.testing import FakeEvent, Tester
from rule import Netcat


class NetcatTest(unittest.TestCase):
    def test_netcat_alerts_and_others_pass(self):
        rule = Tester(Netcat())
        alert = rule.expect_alert(FakeEvent.exec("/usr/bin/nc", "nc", "-l", "4444"))
        self.assertEqual(alert.message, "user started nc -l 4444")
        rule.expect_pass(FakeEvent.exec("/usr/bin/ls", "ls"))
