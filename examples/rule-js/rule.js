// Alerts when netcat is started, and says by whom. Build it with
// `ocellus rules build .`.
import { Interest, MEDIUM, alert, fields } from "ocellus";

export default {
  id: "example-netcat-js",
  name: "Netcat was started",
  description: "Any start of netcat",
  attack: ["T1095"],
  interests: [Interest.exec().oneOf(fields.processName, "nc", "ncat", "netcat")],

  onEvent(event) {
    const user = event.text(fields.userName) ?? "someone";
    const command = event.text(fields.processCommandLine) ?? "netcat";
    return alert(MEDIUM, `${user} started ${command}`);
  },
};
