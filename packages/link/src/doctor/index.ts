export { doctorLines } from './format-report.ts';
export {
  type DoctorReport,
  type LayerFinding,
  type LayerName,
  layerNames,
  type TransportFinding,
} from './report.ts';
export { type DoctorOptions, runDoctor } from './run-doctor.ts';
