export { isPlausible, makeWindow, windowLimits } from './make-window.ts';
export {
  OpenWindows,
  OpenWindowsFullError,
  type OpenWindowsOptions,
  openWindowsDefaults,
  type SubjectInfo,
  type SubjectReadings,
} from './open-windows.ts';
export type { InputKind, Prediction, Window, WindowQuality } from './window.ts';
