export type { AlertEvent, AlertKind } from './alert.ts';
export { alertIdOf } from './alert-id.ts';
export { type AlertStep, type ScoredWindow, stepAlert } from './engine.ts';
export { type AlertPolicy, alertSpanSecondsMax, defaultAlertPolicy } from './policy.ts';
export {
  type AlertState,
  AlertStateError,
  initialAlertState,
  type OpenAlert,
  parseAlertState,
  recentWindowsMax,
} from './state.ts';
