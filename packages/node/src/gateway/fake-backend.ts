import type { AlertView, LiveEvent, PatientInput, PatientView } from '../api/types.ts';
import { AlreadyRegisteredError, type GatewayBackend, NotFoundError } from './backend.ts';

/** A backend with patients and alerts in memory and nothing behind it: for tests and the API's description. */
export interface FakeBackend extends GatewayBackend {
  emit(event: LiveEvent): void;
  readonly alertList: AlertView[];
}

/** See {@link FakeBackend}. */
export function createFakeBackend(): FakeBackend {
  const handlers = new Set<(event: LiveEvent) => void>();
  const patients = new Map<string, PatientView>();
  const alertList: AlertView[] = [];
  const view = (subject: string, input: PatientInput): PatientView => ({
    ...input,
    subject,
    isRegistered: true,
    lastReadingMs: null,
    lastArrivalMs: null,
  });
  return {
    alertList,
    emit: (event) => handlers.forEach((handler) => void handler(event)),
    overview: () => ({
      name: 'Pulsemesh',
      version: '0.1.0',
      startedMs: 0,
      nowMs: 0,
      replaySpeed: null,
      inboxUrl: null,
      counts: { readings: 0, windows: 0, predictions: 0, alertsOpen: 0, notifications: 0 },
      disclaimer: 'Screening, not diagnosis.',
    }),
    network: () => ({ peers: [], self: '12D3KooWFake' }),
    moveRelay: async () => {
      throw new NotFoundError('peer');
    },
    patients: () => [...patients.values()],
    async registerPatient(input) {
      if ([...patients.values()].some((one) => one.userId === input.userId)) throw new AlreadyRegisteredError();
      const made = view(String(patients.size).padStart(32, '0'), input);
      patients.set(made.subject, made);
      return made;
    },
    async updatePatient(subject, input) {
      if (!patients.has(subject)) throw new NotFoundError('patient');
      const changed = view(subject, input);
      patients.set(subject, changed);
      return changed;
    },
    readings: async () => [],
    windows: async () => [],
    alerts: () => alertList,
    async acknowledge(alertId, by) {
      const index = alertList.findIndex((alert) => alert.alertId === alertId);
      const alert = alertList[index];
      if (alert === undefined) throw new NotFoundError('alert');
      const acknowledged = alert.acknowledged ?? { by, atMs: 0 };
      alertList[index] = { ...alert, acknowledged };
      return { ...alert, acknowledged };
    },
    subscribe(handler) {
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
    metrics: async () => '',
  };
}
