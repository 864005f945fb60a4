// What the sensor offers: the interfaces of the contract inside a component, a stand-in in tests.

/** The interfaces `event`, `host`, `processes` and `state`, once `connect` gave them. */
export const sensor = {};

/** Give the interfaces. */
export function connect(interfaces) {
  Object.assign(sensor, interfaces);
}
