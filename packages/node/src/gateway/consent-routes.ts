import type { FastifyRequest } from 'fastify';
import type {
  AcceptInput,
  CounterInput,
  DraftInput,
  EmergencyInput,
  Hex,
  PasskeyInput,
  SignatureInput,
  WithdrawInput,
} from '../api/types.ts';
import { NotFoundError } from './backend.ts';
import type { ConsentBackend, Download, ExportFormat, HomeDesk } from './consent-backend.ts';
import * as schemas from './consent-schemas.ts';
import { grantOf, researchRoutes } from './research-routes.ts';
import type { Route } from './route.ts';
import { subjectParams } from './schemas.ts';

type Handle = (consent: ConsentBackend, request: FastifyRequest) => unknown;

// The schema of each route has checked params, query and body before its handler runs; the casts below say so.

const home = '/api/v1/patients/:subject/consent';

/** What a patient and the node at home say to each other. */
const homeRoutes: readonly Route[] = [
  {
    method: 'GET',
    url: home,
    access: 'token',
    summary: "A patient's requests, grants, earnings and who read what",
    params: subjectParams,
    answer: schemas.patientConsentView,
    consent: viewAfter(async () => {}),
  },
  {
    method: 'PUT',
    url: `${home}/askable`,
    access: 'token',
    summary: 'Whether requests to a cohort may reach this patient',
    params: subjectParams,
    body: schemas.askableInput,
    answer: schemas.patientConsentView,
    consent: viewAfter(({ office }, subject, request) =>
      office.setAskable(subject, (request.body as { isAskable: boolean }).isAskable),
    ),
  },
  {
    method: 'POST',
    url: `${home}/passkey`,
    access: 'token',
    summary: 'Enrol the passkey that says yes for this patient; a later one with the leave of the one before',
    params: subjectParams,
    body: schemas.passkeyInput,
    answer: schemas.patientConsentView,
    consent: viewAfter(({ office }, subject, request) => {
      const { credentialId, publicKey, approval } = request.body as PasskeyInput;
      const bytes = new Uint8Array(Buffer.from(publicKey, 'base64url'));
      return office.enrolPasskey(subject, { credentialId, publicKey: bytes, approval });
    }),
  },
  {
    method: 'POST',
    url: `${home}/asks/:askId/draft`,
    access: 'token',
    summary: 'Prepare an offer: what the passkey signs, and in which words',
    params: schemas.askParams,
    body: schemas.draftInput,
    answer: schemas.draftView,
    consent: (consent, request) => {
      const { desk, subject } = homeOf(consent, request);
      const { price } = request.body as DraftInput;
      return desk.office.draft(askIdOf(request), subject, price === null ? null : BigInt(price));
    },
  },
  {
    method: 'POST',
    url: `${home}/asks/:askId/refuse`,
    access: 'token',
    summary: 'Refuse a request: nobody is told',
    params: schemas.askParams,
    answer: schemas.patientConsentView,
    consent: viewAfter(({ office }, subject, request) => office.refuse(askIdOf(request), subject)),
  },
  {
    method: 'POST',
    url: `${home}/asks/:askId/counter`,
    access: 'token',
    summary: 'Say for how much instead, without saying who',
    params: schemas.askParams,
    body: schemas.counterInput,
    answer: schemas.patientConsentView,
    consent: viewAfter(({ office }, subject, request) => {
      const { price, note } = request.body as CounterInput;
      return office.counter(askIdOf(request), subject, BigInt(price), note);
    }),
  },
  {
    method: 'POST',
    url: `${home}/accept`,
    access: 'token',
    summary: 'Say yes to a draft',
    params: subjectParams,
    body: schemas.acceptInput,
    answer: schemas.acceptedView,
    status: 201,
    consent: async (consent, request) => {
      const { desk, subject } = homeOf(consent, request);
      return { grantId: await desk.office.accept(subject, request.body as AcceptInput) };
    },
  },
  {
    method: 'POST',
    url: `${home}/grants/:grantId/revoke`,
    access: 'token',
    summary: 'Withdraw consent; what was read stays read',
    params: schemas.subjectGrantParams,
    body: schemas.signatureInput,
    answer: schemas.patientConsentView,
    consent: viewAfter((desk, subject, request) => {
      const grantId = ownGrant(desk, subject, request);
      return desk.office.revoke(grantId, (request.body as SignatureInput).signature);
    }),
  },
  {
    method: 'POST',
    url: `${home}/grants/:grantId/withdraw`,
    access: 'token',
    summary: 'Send what a grant has earned to an account',
    params: schemas.subjectGrantParams,
    body: schemas.withdrawInput,
    answer: schemas.transactionDone,
    consent: async (consent, request) => {
      const { desk, subject } = homeOf(consent, request);
      const grantId = ownGrant(desk, subject, request);
      const { to, amount, nonce, until, signature } = request.body as WithdrawInput;
      const args = [grantId, to, BigInt(amount), BigInt(nonce), until, signature] as const;
      return { transaction: await desk.office.withdraw(...args) };
    },
  },
  {
    method: 'POST',
    url: `${home}/erase`,
    access: 'token',
    summary: 'Destroy what ties the ledger to this patient; cannot be undone',
    params: subjectParams,
    body: schemas.eraseInput,
    answer: schemas.patientConsentView,
    consent: viewAfter(({ office }, subject) => office.erase(subject)),
  },
  {
    method: 'GET',
    url: `${home}/export`,
    access: 'token',
    summary: "The patient's own data as a file, with the receipts of who read them",
    params: subjectParams,
    query: schemas.exportQuery,
    consent: (consent, request) => {
      const { desk, subject } = homeOf(consent, request);
      const { format, grantId } = request.query as { format: ExportFormat; grantId?: Hex };
      if (grantId !== undefined) assertOwn(desk, subject, grantId);
      return desk.exported(subject, grantId ?? null, format);
    },
  },
  {
    method: 'POST',
    url: `${home}/emergency`,
    access: 'token',
    summary:
      "The patient's last day for whoever helps now, without asking: written down first, and the patient is told",
    params: subjectParams,
    query: schemas.emergencyQuery,
    body: schemas.emergencyInput,
    consent: (consent, request) => {
      const { desk, subject } = homeOf(consent, request);
      const { format } = request.query as { format: ExportFormat };
      return desk.inEmergency(subject, request.body as EmergencyInput, format);
    },
  },
];

/** What everybody may see, for whoever has access to this node. */
const publicRoutes: readonly Route[] = [
  {
    method: 'GET',
    url: '/api/v1/profile',
    access: 'token',
    summary: 'What this node is to consent: a home, a researcher’s office, or neither',
    answer: schemas.profileView,
    consent: (consent) => consent.profile(),
  },
  {
    method: 'GET',
    url: '/api/v1/audit',
    access: 'token',
    summary: 'All that is public: events of the ledger, anchors, heads of the access logs',
    answer: schemas.auditView,
    consent: (consent) => consent.audit(),
  },
  {
    method: 'GET',
    url: '/api/v1/audit/custodians/:peer/leaves',
    access: 'token',
    summary: "Leaves of a custodian's access log: hashes, to be checked against its checkpoint",
    params: schemas.custodianParams,
    query: schemas.leavesQuery,
    answer: schemas.leavesView,
    consent: (consent, request) =>
      consent.leaves((request.params as { peer: string }).peer, (request.query as { from: number }).from),
  },
  {
    method: 'POST',
    url: '/api/rpc',
    access: 'token',
    summary: 'JSON-RPC of the chain, by an allow-list, so that no page talks to a provider',
    body: schemas.rpcInput,
    consent: (consent, request) => consent.rpc(request.body),
  },
];

/** Every route about consent. */
export const consentRoutes: readonly Route[] = [...publicRoutes, ...homeRoutes, ...researchRoutes];

/** What is sent as a file. */
export function isDownload(value: unknown): value is Download {
  return typeof value === 'object' && value !== null && 'fileName' in value && 'contentType' in value;
}

function viewAfter(act: (desk: HomeDesk, subject: string, request: FastifyRequest) => Promise<void>): Handle {
  return async (consent, request) => {
    const { desk, subject } = homeOf(consent, request);
    await act(desk, subject, request);
    return desk.office.view(subject);
  };
}

function homeOf(consent: ConsentBackend, request: FastifyRequest): { desk: HomeDesk; subject: string } {
  const desk = consent.home();
  const { subject } = request.params as { subject: string };
  desk.assertPatient(subject);
  return { desk, subject };
}

function askIdOf(request: FastifyRequest): string {
  return (request.params as { askId: string }).askId;
}

/** A grant is spoken of under its own patient's name only. */
function ownGrant(desk: HomeDesk, subject: string, request: FastifyRequest): Hex {
  const grantId = grantOf(request);
  assertOwn(desk, subject, grantId);
  return grantId;
}

function assertOwn({ office }: HomeDesk, subject: string, grantId: Hex): void {
  if (!office.view(subject).grants.some((grant) => grant.grantId === grantId)) throw new NotFoundError('grant');
}
