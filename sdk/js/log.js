// Write to the sensor's log, under the name of the rule. Lines are cut at 1,024 bytes, and limited
// in rate.
import { sensor } from "./host.js";

/** Write a line that is of use only while a rule is written. */
export const debug = (message) => sensor.host.log("debug", message);
/** Write a line that is worth knowing. */
export const info = (message) => sensor.host.log("info", message);
/** Write a line about something that is not as it should be. */
export const warn = (message) => sensor.host.log("warn", message);
/** Write a line about something that failed. */
export const error = (message) => sensor.host.log("error", message);
