import type { CastMember } from './cast.ts';
import type { Happening } from './gateway-feed.ts';
import type { Installation } from './installation.ts';
import { firewalledLearner, firewalledMember, helpers, hospitals, learners, members } from './layout.ts';
import { inboxUrl, mqttUrl, pageUrl, researchUrl } from './member-config.ts';
import type { MovedPort } from './ports.ts';
import type { RunReport } from './report.ts';

/** Writes one line for the person at the terminal. */
export type Print = (line: string) => void;

/** What the screen says at the start. */
export function startingLines(options: {
  readonly dataDirectory: string;
  readonly isNew: boolean;
  readonly recordings: string | null;
  readonly speed: number;
  readonly cast: readonly CastMember[];
}): readonly string[] {
  const { cast, recordings, speed, dataDirectory, isNew } = options;
  const roles = [...new Set(members.map((member) => member.role))];
  const parts = roles.map((role) => {
    const count = members.filter((member) => member.role === role).length;
    return count > 1 ? `${role} ×${count}` : role;
  });
  const source = recordings === null ? 'generated heartbeats' : `recordings from ${recordings}`;
  return [
    '',
    `Pulsemesh ${isNew ? 'sets up' : 'starts'} a small network on this machine.`,
    `  ${parts.join(', ')}`,
    cast.length === 0
      ? '  no wearables: send your own readings to the MQTT address below'
      : `  ${cast.length} wearables replay ${source}, ${speed} times faster than life`,
    `  ${hospitals.length} hospitals train a model together, none shows its patients`,
    `  one hospital (${firewalledMember}, ${firewalledLearner}) is behind a firewall and takes part through the relay alone`,
    `  data in ${dataDirectory}`,
    '',
  ];
}

/** Ports that other programs have taken meanwhile. */
export function movedLines(moved: readonly MovedPort[]): readonly string[] {
  return moved.map(({ name, from, to }) => `  port ${from} is taken by another program: ${name} uses ${to}`);
}

/** The addresses, once the network is up. */
export function readyLines(
  installation: Installation,
  tokens: { readonly home: string; readonly research: string },
  seconds: number,
): readonly string[] {
  const topic = 'pulsemesh/vitals';
  const { hostname, port } = new URL(mqttUrl(installation));
  const message = `{"userId":"my-watch","heartrate":"72.5"}`;
  return [
    '',
    `The network is up (${seconds.toFixed(1)} s).`,
    '',
    `  Page    ${pageUrl(installation)}/#token=${tokens.home}`,
    `  Study   ${researchUrl(installation)}/#token=${tokens.research}, a researcher's page`,
    `  Inbox   ${inboxUrl(installation)}`,
    `  MQTT    ${mqttUrl(installation)}, for a wearable of your own:`,
    `          mosquitto_pub -h ${hostname} -p ${port} -q 1 -t ${topic} -m '${message}'`,
    '',
    '  Ctrl-C stops it; started again it goes on where it was.',
    '',
  ];
}

/** One line for a step of the consent that the demo plays by itself. */
export function consentLine(step: unknown): string {
  switch (step) {
    case 'asked':
      return 'a researcher asks for recordings: one patient’s request waits on the page';
    case 'agreed':
      return 'the demo’s own patient agrees, with a passkey of software';
    case 'bought':
      return 'the researcher pays; the patient is credited once the key is there';
    case 'read':
      return 'the researcher reads, and the patient sees it';
    default:
      return 'a step of a consent';
  }
}

/** One line for something that happened; nothing in it about a person's health. */
export function happeningLine(happening: Happening, installation: Installation): string {
  switch (happening.kind) {
    case 'first-reading':
      return 'the first heartbeat has reached the page';
    case 'raised':
      return `an alert was raised  ${pageUrl(installation)}/#/alerts/${happening.alert.alertId}`;
    case 'mailed':
      return `${happening.mails === 1 ? 'a mail was' : `${happening.mails} mails were`} sent about it  ${inboxUrl(installation)}`;
    case 'acknowledged':
      return 'an alert was acknowledged';
  }
}

/** One line for something that happened to a learning task; null: not worth one. */
export function learningLine(name: string, message: Readonly<Record<string, unknown>>): string | null {
  const { happening, end, auc, runningAuc, isInService, code, reason } = message;
  switch (happening) {
    case 'joined':
      return `${name} joined the study: its patients' recordings stay with it`;
    case 'sum-ended':
      return end === 'finished'
        ? `${name} has the model: learned from sums that show no hospital's part`
        : `${name}: the study ended without a model (${String(reason)})`;
    case 'site-ended': {
      const figures = `area under the curve ${shown(auc)} on its own records, ${shown(runningAuc)} by the one before`;
      if (typeof auc !== 'number') return `${name}: the study ended (${String(end)})`;
      return `${name} checked the model: ${figures}${isInService === true ? '; in service' : ''}`;
    }
    case 'failed':
      return `${name} takes no part in the study (${String(code)})`;
    default:
      return null;
  }
}

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toFixed(3) : '–';
}

/** The end of a measured run, in words. */
export function reportLines(report: RunReport, file: string | null): readonly string[] {
  const { latencyMs } = report;
  const megabytes = report.pssBytes === null ? 'unknown' : `${Math.round(report.pssBytes / 2 ** 20)} MiB`;
  return [
    '',
    `  readings   ${report.readingsSent} sent, ${report.readingsStored} stored, ${report.readingsLost} lost, ${report.readingsDuplicated} duplicated`,
    `  windows    ${report.windows}, each exactly once: ${report.windowsExactlyOnce ? 'yes' : 'no'}`,
    `  alerts     ${report.alerts}, mails ${report.notifications}`,
    `  latency    from device to stored score: median ${latencyMs.p50 ?? '–'} ms, 99 % within ${latencyMs.p99 ?? '–'} ms`,
    `  processes  ${report.processes.length}, restarts ${report.restarts}, memory ${megabytes}`,
    ...(file === null ? [] : [`  report     ${file}`]),
    '',
  ];
}

/** The names of all processes of the demo. */
export const processNames: readonly string[] = [
  ...members.map((member) => member.name),
  ...learners,
  helpers.inbox,
  helpers.devices,
  helpers.proxy,
];
