import { type DoctorReport, type LayerFinding, notTried, type TransportFinding } from './report.ts';

const marks: Readonly<Record<LayerFinding['state'], string>> = {
  ok: 'ok',
  limited: '!!',
  blocked: 'NO',
  skipped: '--',
};

/** The report as lines for a person: the verdict first, then each layer and transport, then what could be changed. No control characters. */
export function doctorLines(report: DoctorReport): readonly string[] {
  const tried = report.layers.filter((layer) => layer.finding !== notTried);
  const untried = report.layers.filter((layer) => layer.finding === notTried).map((layer) => layer.name);
  return [
    ...verdict(report),
    '',
    ...tried.map((layer) => `${marks[layer.state]}  ${layer.name.padEnd(10)}  ${layer.finding}`),
    ...(untried.length === 0
      ? []
      : [`${marks.skipped}  not tried, since something before is in the way: ${untried.join(', ')}`]),
    ...(report.transports.length === 0 ? [] : ['', ...report.transports.map(transportLine)]),
    ...advice(report),
  ].map((line) => line.replace(/\p{Cc}/gu, '?').trimEnd());
}

function transportLine({ name, ok, reason, firstEchoMs, rttMs }: TransportFinding): string {
  const finding = ok ? `first echo ${firstEchoMs} ms, then ${rttMs} ms` : capital(reason ?? '');
  return `${ok ? 'ok' : 'NO'}  ${name.padEnd(12)}  ${finding}`;
}

function verdict(report: DoctorReport): string[] {
  const where = `${report.url}${report.proxy === null ? '' : ` through the proxy ${report.proxy}`}`;
  const isFirst = (layer: LayerFinding) => layer.state === 'blocked';
  const lines =
    report.chosen === null
      ? [`Pulsemesh cannot connect to ${where}.`, report.layers.find(isFirst)?.finding ?? 'No transport passes.']
      : [`Pulsemesh connects to ${where}, by ${report.chosen}, within ${report.firstEchoMs} ms.`];
  if (report.isIntercepted === true) {
    lines.push(
      `TLS is opened on the way (certificate of "${report.issuer}"). Sizes and times are seen there; contents are not, since they are encrypted inside.`,
    );
  }
  return lines;
}

function advice(report: DoctorReport): string[] {
  const lines = report.layers.flatMap((layer) => (layer.advice === null ? [] : [`${layer.name}: ${layer.advice}`]));
  return lines.length === 0 ? [] : ['', 'What an administrator could change:', ...lines.map((line) => `  ${line}`)];
}

function capital(text: string): string {
  const sentence = /[.!?]$/.test(text) ? text : `${text}.`;
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}
