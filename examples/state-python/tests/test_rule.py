import unittest

from ocellus import fields
from ocellus.testing import FakeEvent, Tester
from rule import DownloadExecute, FailedSudo, FirstSeen, RareChild


class SequenceTest(unittest.TestCase):
    curl = FakeEvent.exec("/usr/bin/curl", "curl", "-o", "/tmp/x", "https://example.org/x")
    chmod = FakeEvent.exec("/usr/bin/chmod", "chmod", "+x", "/tmp/x")
    program = FakeEvent.exec("/tmp/x", "/tmp/x")

    def test_three_steps_alert_once(self):
        rule = Tester(DownloadExecute())
        rule.expect_pass(self.curl)
        rule.expect_pass(self.chmod)
        alert = rule.expect_alert(self.program)
        self.assertEqual(alert.message, "user downloaded, made executable and ran /tmp/x")
        rule.expect_pass(self.program)

    def test_a_missing_step_passes(self):
        rule = Tester(DownloadExecute())
        rule.expect_pass(self.chmod)
        rule.expect_pass(self.program)
        rule.expect_pass(self.curl)
        rule.expect_pass(self.chmod.set(fields.PROCESS_ARGS, ["chmod", "644", "/tmp/x"]))
        rule.expect_pass(self.program)


class ThresholdTest(unittest.TestCase):
    failure = (
        FakeEvent("process.exit")
        .set(fields.PROCESS_NAME, "sudo")
        .set(fields.PROCESS_EXIT_CODE, 1)
        .user("eve")
    )

    def test_the_fifth_failure_within_a_minute_alerts(self):
        rule = Tester(FailedSudo())
        for second in range(4):
            rule.expect_pass(self.failure.after_ms(second * 1000))
        rule.expect_alert(self.failure.after_ms(5000))
        rule.expect_pass(self.failure.after_ms(6000))
        for second in range(4):
            rule.expect_pass(self.failure.after_ms(100_000 + second * 1000))


class FirstSeenTest(unittest.TestCase):
    def test_it_learns_and_then_tells(self):
        rule = Tester(FirstSeen(), {"learn_minutes": 1})
        old = FakeEvent.exec("/home/user/a", "a").set(fields.PROCESS_HASH_SHA256, "aa")
        new = FakeEvent.exec("/home/user/b", "b").set(fields.PROCESS_HASH_SHA256, "bb")
        rule.expect_pass(old)
        rule.expect_pass(old.after_ms(60_000))
        rule.expect_alert(new.after_ms(60_000))
        rule.expect_pass(new.after_ms(61_000))


class RarePairTest(unittest.TestCase):
    def test_the_first_of_its_name_alerts(self):
        rule = Tester(RareChild(), {"children": 2})
        for _ in range(2):
            rule.expect_pass(FakeEvent.exec("/usr/bin/gzip", "gzip").parent("/usr/sbin/nginx"))
        shell = FakeEvent.exec("/usr/bin/id", "id").parent("/usr/sbin/nginx")
        self.assertEqual(rule.expect_alert(shell).message, "nginx started id, the first in 2")
        rule.expect_pass(shell)
