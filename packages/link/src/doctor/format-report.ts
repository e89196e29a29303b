import type { DoctorReport, LayerFinding } from './report.ts';

const marks: Readonly<Record<LayerFinding['state'], string>> = {
  ok: 'ok',
  limited: '!!',
  blocked: 'NO',
  skipped: '--',
};

/** The report as lines for a person: the verdict first, then what is in the way, then the rest. No control characters. */
export function doctorLines(report: DoctorReport): readonly string[] {
  return [
    ...verdict(report),
    '',
    ...report.layers.map((layer) => `${marks[layer.state]}  ${layer.name.padEnd(10)}  ${layer.finding}`),
    '',
    ...report.transports.map((one) => {
      const times = `first echo ${one.firstEchoMs} ms, then ${one.rttMs} ms`;
      return `${one.ok ? 'ok' : 'NO'}  ${one.name.padEnd(12)}  ${one.ok ? times : capital(one.reason ?? '')}`;
    }),
    ...advice(report),
  ].map((line) => line.replace(/\p{Cc}/gu, '?').trimEnd());
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
