export { type HaproxyOptions, haproxyAbsence, startHaproxy } from './haproxy.ts';
export { createHospitalNamespace, type HospitalNamespace, namespaceAbsence } from './hospital-namespace.ts';
export { type MitmdumpOptions, mitmdumpAbsence, startMitmdump } from './mitmdump.ts';
export { ProgramAbsentError } from './program.ts';
export type { RealBox, RealInspectorOptions, RealProxyOptions } from './real-box.ts';
export { squidAbsence, startSquid } from './squid.ts';
export { startTinyproxy, tinyproxyAbsence } from './tinyproxy.ts';
