import assert from "node:assert";
import test from "node:test";
import { FakeEvent, Tester } from "ocellus/testing";
import netcat from "../rule.js";

test("netcat alerts and others pass", () => {
  const rule = new Tester(netcat);
  const alert = rule.expectAlert(FakeEvent.exec("/usr/bin/nc", "nc", "-l", "4444"));
  assert.equal(alert.message, "user started nc -l 4444");
  rule.expectPass(FakeEvent.exec("/usr/bin/ls", "ls"));
});
