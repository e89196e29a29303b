import type {
  AcceptInput,
  AskRequest,
  AuditView,
  BindInput,
  CounterInput,
  DraftView,
  Hex,
  LeavesView,
  PasskeyInput,
  PatientConsentView,
  ResearchView,
  ToSignView,
  TransactionView,
  WithdrawInput,
} from '@pulsemesh/node/api';
import type { ApiClient } from '../api/client.ts';
import { saveFile } from '../board/save-file.ts';
import * as shapes from './shapes.ts';

/** What writes to a ledger waits for its next block. */
const ledgerWaitMs = 60_000;

type Format = 'fhir' | 'csv';

/** What a patient's device says to its home, as functions. Each rejects as {@link ApiClient} does. */
export function consentOf(client: ApiClient, subject: string) {
  const path = `/patients/${encodeURIComponent(subject)}/consent`;
  const send = (rest: string, body?: unknown, method: 'POST' | 'PUT' = 'POST'): Promise<PatientConsentView> =>
    client.ask(`${path}${rest}`, shapes.patientConsentView, { method, body, waitMs: ledgerWaitMs });
  const askPath = (askId: string) => `/asks/${encodeURIComponent(askId)}`;
  return {
    view: (signal?: AbortSignal) => client.ask(path, shapes.patientConsentView, { signal }),
    setAskable: (isAskable: boolean) => send('/askable', { isAskable }, 'PUT'),
    enrol: (input: PasskeyInput) => send('/passkey', input),
    /** `price` in whole units; null: as asked. */
    draft: (askId: string, price: string | null): Promise<DraftView> =>
      client.ask(`${path}${askPath(askId)}/draft`, shapes.draftView, { method: 'POST', body: { price } }),
    accept: async (input: AcceptInput): Promise<Hex> => {
      const ask = { method: 'POST', body: input, waitMs: ledgerWaitMs } as const;
      return (await client.ask(`${path}/accept`, shapes.acceptedView, ask)).grantId;
    },
    refuse: (askId: string) => send(`${askPath(askId)}/refuse`),
    counter: (askId: string, input: CounterInput) => send(`${askPath(askId)}/counter`, input),
    revoke: (grantId: Hex, signature: Hex) => send(`/grants/${grantId}/revoke`, { signature }),
    withdraw: async (grantId: Hex, input: WithdrawInput): Promise<Hex> => {
      const ask = { method: 'POST', body: input, waitMs: ledgerWaitMs } as const;
      return (await client.ask(`${path}/grants/${grantId}/withdraw`, shapes.transactionDone, ask)).transaction;
    },
    erase: () => send('/erase', { confirmation: 'erase' }),
    /** Hands the patient's own data to the browser's downloads; `grantId` null: all of it. */
    save: (format: Format, grantId: Hex | null) =>
      save(client, `${path}/export?format=${format}${grantId === null ? '' : `&grantId=${grantId}`}`),
  };
}

/** What a researcher says to its office, as functions. */
export function researchOf(client: ApiClient) {
  const send = (rest: string, body?: unknown): Promise<ResearchView> =>
    client.ask(`/research${rest}`, shapes.researchView, { method: 'POST', body, waitMs: ledgerWaitMs });
  const step = async (rest: string): Promise<Hex> => {
    const ask = { method: 'POST', waitMs: ledgerWaitMs } as const;
    return (await client.ask(`/research${rest}`, shapes.transactionDone, ask)).transaction;
  };
  return {
    view: (signal?: AbortSignal) => client.ask('/research', shapes.researchView, { signal }),
    ask: async (input: AskRequest): Promise<string> =>
      (await client.ask('/research/asks', shapes.askedView, { method: 'POST', body: input })).askId,
    binding: (account: Hex): Promise<ToSignView> =>
      client.ask(`/research/binding?account=${account.toLowerCase()}`, shapes.toSignView, {}),
    bind: (input: BindInput) => send('/bind', input),
    transaction: (grantId: Hex): Promise<TransactionView> =>
      client.ask(`/research/grants/${grantId}/transaction`, shapes.transactionView, {}),
    bought: (grantId: Hex, transaction: Hex) => send(`/grants/${grantId}/bought`, { transaction }),
    buy: (grantId: Hex) => step(`/grants/${grantId}/buy`),
    refund: (grantId: Hex) => step(`/grants/${grantId}/refund`),
    disputeTransaction: (grantId: Hex): Promise<TransactionView> =>
      client.ask(`/research/grants/${grantId}/dispute`, shapes.transactionView, {}),
    dispute: (grantId: Hex) => step(`/grants/${grantId}/dispute`),
    receipt: async (grantId: Hex): Promise<ToSignView | null> =>
      (await client.ask(`/research/grants/${grantId}/receipt`, shapes.receiptAnswer, {})).receipt,
    confirm: (grantId: Hex, signature: Hex) => send(`/grants/${grantId}/confirm`, { signature }),
    /** Reads under a grant, which is logged, and hands what came to the browser's downloads. */
    save: (grantId: Hex, format: Format) => save(client, `/research/grants/${grantId}/data?format=${format}`),
  };
}

/** All that is public. */
export function auditOf(client: ApiClient) {
  return {
    view: (signal?: AbortSignal): Promise<AuditView> => client.ask('/audit', shapes.auditView, { signal }),
    /** At most 1,000 leaves of a custodian's log from this place on. */
    leaves: (peer: string, from: number, signal?: AbortSignal): Promise<LeavesView> =>
      client.ask(`/audit/custodians/${encodeURIComponent(peer)}/leaves?from=${from}`, shapes.leavesView, {
        signal,
        waitMs: ledgerWaitMs,
      }),
  };
}

async function save(client: ApiClient, path: string): Promise<string> {
  const { fileName, type, text } = await client.download(path);
  saveFile(fileName, text, type);
  return fileName;
}
