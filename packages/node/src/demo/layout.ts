import { join } from 'node:path';
import type { RoleName } from '@pulsemesh/network';

/** One node of the demo network. */
export interface Member {
  /** Also the name of its directory and of its process. */
  readonly name: string;
  readonly role: RoleName;
  /** What the same process does beside. */
  readonly also?: readonly RoleName[];
}

/** The demo network: each role its own process. */
export const members: readonly Member[] = [
  { name: 'bootstrap-1', role: 'bootstrap' },
  { name: 'bootstrap-2', role: 'bootstrap' },
  { name: 'gateway', role: 'gateway' },
  { name: 'storage-1', role: 'storage', also: ['custodian'] },
  { name: 'storage-2', role: 'storage', also: ['custodian'] },
  { name: 'prediction-1', role: 'prediction' },
  { name: 'prediction-2', role: 'prediction' },
  { name: 'notification', role: 'notification' },
  { name: 'aggregation-1', role: 'aggregation' },
  { name: 'aggregation-2', role: 'aggregation' },
  { name: 'ingest', role: 'ingest' },
  { name: 'relay', role: 'relay' },
  { name: 'board', role: 'board' },
  { name: 'ledger', role: 'ledger' },
  { name: 'research', role: 'research' },
];

/** Those that keep sealed records and keys for grants, and write each read down. */
export const custodianMembers = ['storage-1', 'storage-2'] as const;

/** Those with an office of consent: agents of the relay whose cards stand on the board. */
export const officeMembers = ['gateway', ...custodianMembers, 'research'] as const;

/** Those with an account on the ledger. */
export const accountMembers = [...officeMembers, 'ledger'] as const;

/** Hospitals that train the rhythm model together; the last one is behind the firewall, too. */
export const hospitals = ['hospital-1', 'hospital-2', 'hospital-3'] as const;

/** Whoever publishes the study and adds up what the hospitals send, masked. */
export const studyOffice = 'study-office';

/** Parties of learning: agents of the relay, no nodes. */
export const learners: readonly string[] = [...hospitals, studyOffice];

/** The hospital that reaches relay and board through the proxy alone. */
export const firewalledLearner = 'hospital-3';

/** Nodes that cosign what the board shows. */
export const witnessMembers = ['gateway', 'storage-1', 'storage-2'] as const;

/** The hospital whose firewall lets nobody in: it takes part through the relay, which it reaches through its proxy. */
export const firewalledMember = 'aggregation-2';

/** Those that pass things on and get no data. */
const withoutData: readonly RoleName[] = ['bootstrap', 'relay', 'board', 'ledger', 'research'];

/** The members that get data and keys from each other. */
export const trustedMembers: readonly Member[] = members.filter(({ role }) => !withoutData.includes(role));

/** What must be up before the others start: a node that finds nobody to join through waits before it looks again. */
export const firstToStart: readonly string[] = ['bootstrap-1', 'bootstrap-2', 'relay', 'board', 'hospital-proxy'];

/** Processes of the demo that are no nodes. */
export const helpers = { inbox: 'inbox', devices: 'devices', proxy: 'hospital-proxy', play: 'consent-play' } as const;

/** In which order they stop: first whoever brings something in, last whom the others need to finish. */
export const stopOrder: readonly (readonly string[])[] = [
  [helpers.devices, helpers.play, ...learners],
  ['ingest'],
  ['aggregation-1', 'aggregation-2'],
  ['prediction-1', 'prediction-2', 'notification', 'gateway', 'research'],
  ['storage-1', 'storage-2', helpers.inbox],
  ['bootstrap-1', 'bootstrap-2', 'relay', 'board', 'ledger', helpers.proxy],
];

/** Where things lie in the demo's data directory. */
export function demoPaths(dataDirectory: string) {
  return {
    state: join(dataDirectory, 'demo.json'),
    trust: join(dataDirectory, 'trust.json'),
    logs: join(dataDirectory, 'logs'),
    inbox: join(dataDirectory, 'inbox'),
    devices: join(dataDirectory, 'devices.json'),
    /** Certificates of relay, board and the hospital's proxy, and who signed them. */
    certificate: (owner: 'relay' | 'proxy' | 'board', part: 'ca' | 'cert' | 'key') =>
      join(dataDirectory, 'certificates', `${owner}-${part}.pem`),
    /** What a measured run writes, from which its report is made. */
    run: join(dataDirectory, 'run'),
    /** Which board the demo's people use, and whom of it to believe. */
    boardPolicy: join(dataDirectory, 'board-policy.json'),
    /** How to reach the demo's chain: its node writes it. */
    ledgerDescription: join(dataDirectory, 'nodes', 'ledger', 'ledger.json'),
    /** What makes the passkey of the demo's own patient. */
    patientSecret: join(dataDirectory, 'keys', 'demo-patient.passkey'),
    consents: (name: string) => join(dataDirectory, 'nodes', name, 'consents.json'),
    journalFile: join(dataDirectory, 'run', 'acknowledged.jsonl'),
    arrivalsFile: join(dataDirectory, 'run', 'arrivals.jsonl'),
    node: (name: string) => join(dataDirectory, 'nodes', name),
    keyFile: (name: string) => join(dataDirectory, 'keys', `${name}.key`),
    config: (name: string) => join(dataDirectory, 'nodes', `${name}.json`),
    log: (name: string) => join(dataDirectory, 'logs', `${name}.log`),
  };
}
