import type { NodeConfigInput } from '../config/node-config.ts';
import { boardKey, boardUrl, witnessKeys } from './board-of-demo.ts';
import { chainOfDemo, consentOf } from './consent-of-demo.ts';
import { type Installation, servicePorts } from './installation.ts';
import {
  demoPaths,
  firewalledMember,
  learners,
  type Member,
  members,
  officeMembers,
  trustedMembers,
  witnessMembers,
} from './layout.ts';

/** What of the demo's settings reaches the nodes. */
export interface MemberSettings {
  readonly dataDirectory: string;
  readonly speed: number;
  /** Whether the demo replays wearables of its own. */
  readonly hasDevices: boolean;
  readonly webDirectory: string | null;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
  /** When given, the gateway writes arrivals there. */
  readonly arrivalsFile: string | null;
}

const host = '127.0.0.1';

/** The address of the page, without the token. */
export function pageUrl(installation: Installation): string {
  return `http://localhost:${installation.ports[servicePorts.http]}`;
}

/** The address of the researcher's page, without the token. */
export function researchUrl(installation: Installation): string {
  return `http://localhost:${installation.ports[servicePorts.research]}`;
}

/** The address of the inbox. */
export function inboxUrl(installation: Installation): string {
  return `http://localhost:${installation.ports[servicePorts.inbox]}`;
}

/** The address of the broker. */
export function mqttUrl(installation: Installation): string {
  return `mqtt://${host}:${installation.ports[servicePorts.mqtt]}`;
}

/** The configuration of one node of the demo. */
export function memberConfig(member: Member, installation: Installation, settings: MemberSettings): NodeConfigInput {
  const { name, role, also = [] } = member;
  const { ports, peerIds } = installation;
  const paths = demoPaths(settings.dataDirectory);
  const portOf = (key: string) => ports[key] ?? 0;
  const addressOf = (other: string) => `/ip4/${host}/tcp/${portOf(other)}/p2p/${peerIds[other]}`;
  const relayedOf = (other: string) => `/p2p/${peerIds['relay']}/p2p-circuit/p2p/${peerIds[other]}`;
  const bootstraps = members.filter((one) => one.role === 'bootstrap' && one.name !== name).map((one) => one.name);
  const isFirewalled = name === firewalledMember;
  const consent = consentOf(name, installation, paths, pageUrl(installation));
  return {
    ...(consent === null ? {} : { consent }),
    name,
    roles: [role, ...also],
    ...(isFirewalled ? { firewalled: true } : { listen: [`/ip4/${host}/tcp/${portOf(name)}`] }),
    bootstrap: bootstraps.map(isFirewalled ? relayedOf : addressOf),
    relays: [relaySettings(isFirewalled, installation, paths)],
    dataDirectory: paths.node(name),
    keyFile: paths.keyFile(name),
    trust: trustedMembers.map((one) => peerIds[one.name] ?? ''),
    log: { level: settings.logLevel, file: paths.log(name) },
    ...(role === 'relay' ? { relay: relayService(portOf(servicePorts.relay), paths) } : {}),
    ...(role === 'board' ? { board: boardService(installation, paths) } : {}),
    ...(witnessMembers.some((one) => one === name)
      ? {
          witness: {
            boards: [{ key: boardKey(installation), url: boardUrl(installation) }],
            caFile: paths.certificate('board', 'ca'),
          },
        }
      : {}),
    ...(role === 'ingest' ? { mqtt: mqttSettings(portOf(servicePorts.mqtt), settings.speed) } : {}),
    ...(role === 'notification' ? { smtp: smtpSettings(installation, pageUrl(installation)) } : {}),
    ...(role === 'gateway' ? { http: httpSettings(installation, settings) } : {}),
    ...(role === 'ledger' ? { chain: chainOfDemo(installation) } : {}),
    ...(role === 'research' ? researchSettings(installation, settings) : {}),
  };
}

/** The relay as seen from a member: behind the firewall through the proxy, which opens TLS; from elsewhere as it is. */
export function relaySettings(
  isFirewalled: boolean,
  { ports, peerIds }: Installation,
  paths: ReturnType<typeof demoPaths>,
) {
  return {
    url: `https://${host}:${ports[servicePorts.relay] ?? 0}`,
    peerId: peerIds['relay'] ?? '',
    caFile: paths.certificate(isFirewalled ? 'proxy' : 'relay', 'ca'),
    ...(isFirewalled ? { proxy: `http://${host}:${ports[servicePorts.proxy] ?? 0}` } : {}),
  };
}

function boardService(installation: Installation, paths: ReturnType<typeof demoPaths>) {
  const { ports, peerIds } = installation;
  return {
    host,
    port: ports[servicePorts.board] ?? 0,
    tls: { certFile: paths.certificate('board', 'cert'), keyFile: paths.certificate('board', 'key') },
    witnesses: witnessKeys(installation).map((key) => ({ key })),
    cosignatures: 2,
    admitted: [...learners, ...officeMembers].map((name) => peerIds[name] ?? ''),
  };
}

function relayService(port: number, paths: ReturnType<typeof demoPaths>) {
  return {
    host,
    port,
    tls: { certFile: paths.certificate('relay', 'cert'), keyFile: paths.certificate('relay', 'key') },
  };
}

// A device that replays faster than life sends as much faster.
function mqttSettings(port: number, speed: number) {
  return { host, port, readingsPerSecond: Math.max(20, 4 * speed) };
}

function pageSettings(installation: Installation, settings: MemberSettings) {
  return {
    host,
    board: {
      url: boardUrl(installation),
      key: boardKey(installation),
      witnesses: [...witnessKeys(installation)],
      quorum: 2,
      caFile: demoPaths(settings.dataDirectory).certificate('board', 'ca'),
    },
    ...(settings.webDirectory === null ? {} : { webDirectory: settings.webDirectory }),
  };
}

function researchSettings(installation: Installation, settings: MemberSettings) {
  return {
    http: { ...pageSettings(installation, settings), port: installation.ports[servicePorts.research] ?? 0 },
    smtp: smtpSettings(installation, researchUrl(installation)),
  };
}

function smtpSettings({ ports }: Installation, page: string) {
  const from = 'Pulsemesh demo <alerts@pulsemesh.example>';
  return { host, port: ports[servicePorts.smtp] ?? 0, from, pageUrl: page };
}

function httpSettings(installation: Installation, settings: MemberSettings) {
  return {
    ...pageSettings(installation, settings),
    port: installation.ports[servicePorts.http] ?? 0,
    inboxUrl: inboxUrl(installation),
    ...(settings.hasDevices ? { replaySpeed: settings.speed } : {}),
    ...(settings.arrivalsFile === null ? {} : { arrivalsFile: settings.arrivalsFile }),
  };
}
