import { Condition } from '@pulsemesh/base';
import type { FastifyRequest } from 'fastify';
import type { MoveInput, PatientInput } from '../api/types.ts';
import { consentRoutes } from './consent-routes.ts';
import type { Route } from './route.ts';
import * as schemas from './schemas.ts';

/** A span of history that runs backwards or is too long. Not retryable. */
export class BadSpanError extends Condition {
  override readonly name = 'BadSpanError';
  constructor() {
    super('bad-span', 'untilMs must be after fromMs, by at most a day');
  }
}

export const livePath = '/api/v1/live';
export const metricsPath = '/metrics';
export const descriptionPath = '/api/v1/openapi.json';
export const boardPlacePath = '/api/v1/board';
export const boardPath = '/board/*';

/** Every route of the server, beside the static files of the page. */
export const routes: readonly Route[] = [
  {
    method: 'GET',
    url: '/api/v1/overview',
    access: 'token',
    summary: 'What this network is and has done',
    answer: schemas.overview,
    handle: (backend) => backend.overview(),
  },
  {
    method: 'GET',
    url: '/api/v1/patients',
    access: 'token',
    summary: 'Registered patients and unregistered devices',
    answer: schemas.patientsAnswer,
    handle: (backend) => ({ patients: backend.patients() }),
  },
  {
    method: 'POST',
    url: '/api/v1/patients',
    access: 'token',
    summary: 'Register a patient, or the wearer of an unregistered device',
    body: schemas.patientInput,
    answer: schemas.patientView,
    status: 201,
    // The schema has checked the body; its type is the schema's.
    handle: (backend, request) => backend.registerPatient(request.body as PatientInput),
  },
  {
    method: 'PUT',
    url: '/api/v1/patients/:subject',
    access: 'token',
    summary: 'Change a patient',
    params: schemas.subjectParams,
    body: schemas.patientInput,
    answer: schemas.patientView,
    handle: (backend, request) => backend.updatePatient(subjectOf(request), request.body as PatientInput),
  },
  {
    method: 'GET',
    url: '/api/v1/patients/:subject/readings',
    access: 'token',
    summary: 'Stored readings of a span of recording time, oldest first',
    params: schemas.subjectParams,
    query: schemas.spanQuery,
    answer: schemas.readingsAnswer,
    handle: async (backend, request) => ({ readings: await backend.readings(subjectOf(request), ...spanOf(request)) }),
  },
  {
    method: 'GET',
    url: '/api/v1/patients/:subject/windows',
    access: 'token',
    summary: 'Stored windows of a span of recording time, oldest first',
    params: schemas.subjectParams,
    query: schemas.spanQuery,
    answer: schemas.windowsAnswer,
    handle: async (backend, request) => ({ windows: await backend.windows(subjectOf(request), ...spanOf(request)) }),
  },
  {
    method: 'GET',
    url: '/api/v1/alerts',
    access: 'token',
    summary: 'Alerts, newest first',
    answer: schemas.alertsAnswer,
    handle: (backend) => ({ alerts: backend.alerts() }),
  },
  {
    method: 'POST',
    url: '/api/v1/alerts/:alertId/acknowledge',
    access: 'token',
    summary: 'Say that somebody has seen the alert; repeating it changes nothing',
    params: schemas.alertParams,
    body: schemas.acknowledgeInput,
    answer: schemas.alertView,
    handle: (backend, request) =>
      backend.acknowledge((request.params as { alertId: string }).alertId, (request.body as { by: string }).by),
  },
  {
    method: 'GET',
    url: '/api/v1/network',
    access: 'token',
    summary: 'The peers and how they are connected',
    answer: schemas.networkView,
    handle: (backend) => backend.network(),
  },
  {
    method: 'POST',
    url: '/api/v1/network/peers/:peerId/relays/:relay/move',
    access: 'token',
    summary: "Move a peer's session with a relay to another transport",
    params: schemas.relaySessionParams,
    body: schemas.moveInput,
    answer: schemas.relaySessionView,
    handle: (backend, request) => {
      const { peerId, relay } = request.params as { peerId: string; relay: string }; // checked by the route's schema
      return backend.moveRelay(peerId, relay, (request.body as MoveInput).transport);
    },
  },
  {
    method: 'GET',
    url: boardPlacePath,
    access: 'token',
    summary: 'The public board that the page shows, and whom of it to believe',
    answer: schemas.boardAnswer,
  },
  {
    method: 'GET',
    url: boardPath,
    access: 'token',
    summary: "The board's own answer to checkpoint, tile/… and receipt/… (C2SP tlog-tiles), for pages to verify",
  },
  {
    method: 'GET',
    url: livePath,
    access: 'token-or-query',
    summary: 'Everything that changes, as server-sent events (LiveEvent)',
    query: schemas.liveQuery,
  },
  ...consentRoutes,
  { method: 'GET', url: metricsPath, access: 'token', summary: 'Prometheus text of all peers' },
  { method: 'GET', url: descriptionPath, access: 'public', summary: 'This description' },
  {
    method: 'GET',
    url: '/healthz',
    access: 'public',
    summary: 'Whether this process is up',
    answer: schemas.healthAnswer,
    handle: () => ({ status: 'up' }),
  },
];

function subjectOf(request: FastifyRequest): string {
  return (request.params as { subject: string }).subject; // checked by the route's schema
}

function spanOf(request: FastifyRequest): [number, number] {
  const { fromMs, untilMs } = request.query as { fromMs: number; untilMs: number }; // checked by the route's schema
  if (!(untilMs > fromMs) || untilMs - fromMs > schemas.historySpanMsMax) throw new BadSpanError();
  return [fromMs, untilMs];
}
