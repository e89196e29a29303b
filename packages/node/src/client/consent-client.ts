import type {
  AcceptedView,
  AcceptInput,
  AskedView,
  AskRequest,
  AuditView,
  BindInput,
  CounterInput,
  DraftView,
  EmergencyInput,
  Hex,
  LeavesView,
  PasskeyInput,
  PatientConsentView,
  ProfileView,
  ReceiptAnswer,
  ResearchView,
  ToSignView,
  TransactionDone,
  TransactionView,
  VitalKind,
  WithdrawInput,
} from '../api/types.ts';
import type { ApiClient } from './api-client.ts';

type Format = 'fhir' | 'csv';

/** The part of the HTTP API about consent, for programs. Every call throws as those of {@link ApiClient} do. */
export class ConsentClient {
  readonly #api: Pick<ApiClient, 'call' | 'download' | 'downloadFor'>;

  constructor(api: Pick<ApiClient, 'call' | 'download' | 'downloadFor'>) {
    this.#api = api;
  }

  profile(): Promise<ProfileView> {
    return this.#api.call('GET', '/api/v1/profile');
  }

  audit(): Promise<AuditView> {
    return this.#api.call('GET', '/api/v1/audit');
  }

  leaves(custodian: string, from: number): Promise<LeavesView> {
    return this.#api.call('GET', `/api/v1/audit/custodians/${encodeURIComponent(custodian)}/leaves?from=${from}`);
  }

  rpc(body: unknown): Promise<unknown> {
    return this.#api.call('POST', '/api/rpc', body);
  }

  consent(subject: string): Promise<PatientConsentView> {
    return this.#api.call('GET', homeOf(subject));
  }

  setAskable(subject: string, isAskable: boolean): Promise<PatientConsentView> {
    return this.#api.call('PUT', `${homeOf(subject)}/askable`, { isAskable });
  }

  enrolPasskey(subject: string, passkey: PasskeyInput): Promise<PatientConsentView> {
    return this.#api.call('POST', `${homeOf(subject)}/passkey`, passkey);
  }

  draft(subject: string, askId: string, price: string | null): Promise<DraftView> {
    return this.#api.call('POST', `${homeOf(subject)}/asks/${askId}/draft`, { price });
  }

  accept(subject: string, input: AcceptInput): Promise<AcceptedView> {
    return this.#api.call('POST', `${homeOf(subject)}/accept`, input);
  }

  refuse(subject: string, askId: string): Promise<PatientConsentView> {
    return this.#api.call('POST', `${homeOf(subject)}/asks/${askId}/refuse`);
  }

  counter(subject: string, askId: string, counter: CounterInput): Promise<PatientConsentView> {
    return this.#api.call('POST', `${homeOf(subject)}/asks/${askId}/counter`, counter);
  }

  revoke(subject: string, grantId: Hex, signature: Hex): Promise<PatientConsentView> {
    return this.#api.call('POST', `${homeOf(subject)}/grants/${grantId}/revoke`, { signature });
  }

  withdraw(subject: string, grantId: Hex, input: WithdrawInput): Promise<TransactionDone> {
    return this.#api.call('POST', `${homeOf(subject)}/grants/${grantId}/withdraw`, input);
  }

  erase(subject: string): Promise<PatientConsentView> {
    return this.#api.call('POST', `${homeOf(subject)}/erase`, { confirmation: 'erase' });
  }

  exported(subject: string, format: Format, grantId?: Hex): Promise<string> {
    const grant = grantId === undefined ? '' : `&grantId=${grantId}`;
    return this.#api.download(`${homeOf(subject)}/export?format=${format}${grant}`);
  }

  inEmergency(subject: string, emergency: EmergencyInput, format: Format): Promise<string> {
    return this.#api.downloadFor(`${homeOf(subject)}/emergency?format=${format}`, emergency);
  }

  research(): Promise<ResearchView> {
    return this.#api.call('GET', '/api/v1/research');
  }

  ask(request: AskRequest): Promise<AskedView> {
    return this.#api.call('POST', '/api/v1/research/asks', request);
  }

  binding(account: Hex): Promise<ToSignView> {
    return this.#api.call('GET', `/api/v1/research/binding?account=${account}`);
  }

  bind(input: BindInput): Promise<ResearchView> {
    return this.#api.call('POST', '/api/v1/research/bind', input);
  }

  purchaseTransaction(grantId: Hex): Promise<TransactionView> {
    return this.#api.call('GET', `${grantAt(grantId)}/transaction`);
  }

  bought(grantId: Hex, transaction: Hex): Promise<ResearchView> {
    return this.#api.call('POST', `${grantAt(grantId)}/bought`, { transaction });
  }

  buy(grantId: Hex): Promise<TransactionDone> {
    return this.#api.call('POST', `${grantAt(grantId)}/buy`);
  }

  refund(grantId: Hex): Promise<TransactionDone> {
    return this.#api.call('POST', `${grantAt(grantId)}/refund`);
  }

  dispute(grantId: Hex): Promise<TransactionDone> {
    return this.#api.call('POST', `${grantAt(grantId)}/dispute`);
  }

  receipt(grantId: Hex): Promise<ReceiptAnswer> {
    return this.#api.call('GET', `${grantAt(grantId)}/receipt`);
  }

  confirm(grantId: Hex, signature: Hex): Promise<ResearchView> {
    return this.#api.call('POST', `${grantAt(grantId)}/confirm`, { signature });
  }

  data(grantId: Hex, format: Format, vital?: VitalKind): Promise<string> {
    return this.#api.download(
      `${grantAt(grantId)}/data?format=${format}${vital === undefined ? '' : `&vital=${vital}`}`,
    );
  }
}

function homeOf(subject: string): string {
  return `/api/v1/patients/${encodeURIComponent(subject)}/consent`;
}

function grantAt(grantId: Hex): string {
  return `/api/v1/research/grants/${grantId}`;
}
