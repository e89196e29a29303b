import { errorMessage, TimeoutError } from '@pulsemesh/base';
import { askProbe, type ProbeAnswer, type ProbeDependencies } from './probe-request.ts';
import type { LayerFinding } from './report.ts';

/** What requests told. */
export interface HttpFindings {
  readonly layers: readonly LayerFinding[];
  /** The certificate the server serves; differs from the one shown where somebody opens the TLS. Null: not told. */
  readonly serverCertificateSha256: string | null;
}

export interface HttpLayerOptions {
  /** How long a request is left without an answer at most, to see whether it is cut, milliseconds. */
  readonly idleMsMax: number;
}

/** One probe may take so long, milliseconds. */
const probeMs = 10_000;
/** Bodies that are tried, bytes, longest first. */
const bodySizes = [1024 * 1024, 512 * 1024, 256 * 1024, 100_000, 64 * 1024, 16 * 1024] as const;
/** Lines of the drip and their distance, milliseconds: as far apart as none but a buffering box brings together. */
const drip = { count: 4, everyMs: 100 } as const;
/** This machine's clock may differ from the server's by so much, milliseconds. */
const clockMsMax = 60_000;

/** Asks the server's probes what passes: Upgrade, unfinished responses, long bodies, long waits; and what time it is. Never throws. */
export async function examineHttp(
  url: URL,
  options: HttpLayerOptions,
  dependencies: ProbeDependencies,
): Promise<HttpFindings> {
  const ask: Ask = (path, more = {}) =>
    askProbe(url, { method: 'GET', path, timeoutMs: probeMs, ...more }, dependencies);
  const server = await examineServer(ask, dependencies);
  if (server.facts === null) return { layers: server.layers, serverCertificateSha256: null };
  const [upgrade, buffering, bodies, idle] = await Promise.all([
    examineUpgrade(url, ask),
    examineBuffering(ask),
    examineBodies(ask),
    examineIdle(ask, options),
  ]);
  const [first, ...rest] = server.layers;
  return {
    layers: [...(first === undefined ? [] : [first]), upgrade, buffering, bodies, idle, ...rest],
    serverCertificateSha256: server.facts.certificateSha256,
  };
}

type Ask = (path: string, more?: Partial<Parameters<typeof askProbe>[1]>) => Promise<ProbeAnswer>;

interface ServerFacts {
  readonly timeMs: number;
  readonly certificateSha256: string | null;
}

async function examineServer(
  ask: Ask,
  { clock }: ProbeDependencies,
): Promise<{ layers: LayerFinding[]; facts: ServerFacts | null }> {
  const blocked = (finding: string, advice: string) => ({
    layers: [{ name: 'server', state: 'blocked', finding, advice } satisfies LayerFinding],
    facts: null,
  });
  try {
    const startMs = clock.monotonicMs();
    const answer = await ask('/link/v1/probe');
    const tookMs = clock.monotonicMs() - startMs;
    const facts = parseFacts(answer.body);
    if (answer.status !== 200 || facts === null) {
      return blocked(
        `A request is answered ${answer.status} by ${answer.answeredBy ?? 'somebody unnamed'}, not by a Pulsemesh server.`,
        'Check host and port; if a block page answers, allow this host in the web filter.',
      );
    }
    const via = answer.answeredBy === null ? '' : ` through ${answer.answeredBy}`;
    const finding = `The server answers${via} (${Math.round(tookMs)} ms with connection and TLS).`;
    return {
      layers: [{ name: 'server', state: 'ok', finding, advice: null }, clockFinding(facts, clock.now())],
      facts,
    };
  } catch (error) {
    return blocked(
      `No answer to a request: ${errorMessage(error)}.`,
      'Check that a Pulsemesh server runs at that URL.',
    );
  }
}

function parseFacts(body: string): ServerFacts | null {
  try {
    const given: unknown = JSON.parse(body);
    if (typeof given !== 'object' || given === null || !('timeMs' in given) || typeof given.timeMs !== 'number')
      return null;
    const hash = 'certificateSha256' in given ? given.certificateSha256 : null;
    const isHash = typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash);
    return { timeMs: given.timeMs, certificateSha256: isHash ? hash : null };
  } catch {
    return null;
  }
}

function clockFinding(facts: ServerFacts, nowMs: number): LayerFinding {
  const aheadMs = nowMs - facts.timeMs;
  if (Math.abs(aheadMs) <= clockMsMax) {
    return { name: 'clock', state: 'ok', finding: 'This machine’s clock and the server’s agree.', advice: null };
  }
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return {
    name: 'clock',
    state: 'limited',
    finding: `This machine’s clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the server’s.`,
    advice: 'Let this machine set its clock by a time server (NTP): certificates and alerts depend on it.',
  };
}

async function examineUpgrade(url: URL, ask: Ask): Promise<LayerFinding> {
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'cHVsc2VtZXNoIGRvY3Rvcg==', // 16 bytes, as RFC 6455 wants; it is no secret
    'sec-websocket-protocol': 'pulsemesh.link.v1',
  };
  const advice = `Nothing has to be done: other transports carry the same. To let WebSocket pass, allow "Upgrade: websocket" to ${url.host}.`;
  try {
    const answer = await ask('/link/v1/websocket', { headers });
    if (answer.status === 101) {
      return { name: 'upgrade', state: 'ok', finding: 'The Upgrade to WebSocket is accepted.', advice: null };
    }
    const by = answer.answeredBy === null ? '' : ` (${answer.answeredBy})`;
    const how = answer.status === 403 ? 'forbidden' : `not passed on: the answer is ${answer.status}`;
    return { name: 'upgrade', state: 'limited', finding: `The Upgrade to WebSocket is ${how}${by}.`, advice };
  } catch (error) {
    return {
      name: 'upgrade',
      state: 'limited',
      finding: `The Upgrade to WebSocket fails: ${errorMessage(error)}.`,
      advice,
    };
  }
}

async function examineBuffering(ask: Ask): Promise<LayerFinding> {
  try {
    const { status, arrivalsMs, answeredBy } = await ask(
      `/link/v1/probe/drip?count=${drip.count}&everyMs=${drip.everyMs}`,
    );
    if (status !== 200) throw new Error(`the answer is ${status}`);
    const spanMs = (arrivalsMs.at(-1) ?? 0) - (arrivalsMs[0] ?? 0);
    if (spanMs >= drip.everyMs) {
      return {
        name: 'buffering',
        state: 'ok',
        finding: 'Responses arrive piece by piece, as they are sent.',
        advice: null,
      };
    }
    return {
      name: 'buffering',
      state: 'limited',
      finding: `Responses are held back until they are complete${answeredBy === null ? '' : ` (${answeredBy})`}: streams do not pass.`,
      advice:
        'Nothing has to be done: polling carries the same. To let streams pass, switch content scanning or response buffering off for this host.',
    };
  } catch (error) {
    return {
      name: 'buffering',
      state: 'limited',
      finding: `A response that takes ${drip.count * drip.everyMs} ms does not arrive whole: ${errorMessage(error)}.`,
      advice: 'Allow longer requests to this host; meanwhile short polls are used.',
    };
  }
}

async function examineBodies(ask: Ask): Promise<LayerFinding> {
  let refusal = '';
  for (const size of bodySizes) {
    try {
      const answer = await ask('/link/v1/probe/body', { method: 'POST', body: new Uint8Array(size) });
      const isWhole = answer.status === 200 && answer.body.includes(`"bytes":${size}`);
      if (isWhole && size === bodySizes[0]) {
        return { name: 'body-limit', state: 'ok', finding: `Request bodies of ${kilobytes(size)} pass.`, advice: null };
      }
      if (isWhole) {
        return {
          name: 'body-limit',
          state: 'limited',
          finding: `Request bodies of ${kilobytes(size)} pass, longer ones do not (${refusal}).`,
          advice:
            'Nothing has to be done: messages are sent in smaller portions. Allowing bodies of 1 MB to this host makes it faster.',
        };
      }
      refusal = `${answer.status}${answer.answeredBy === null ? '' : ` from ${answer.answeredBy}`}`;
    } catch (error) {
      refusal = errorMessage(error);
    }
  }
  return {
    name: 'body-limit',
    state: 'blocked',
    finding: `Not even a request body of ${kilobytes(bodySizes.at(-1) ?? 0)} passes (${refusal}).`,
    advice: 'Allow POST requests to this host.',
  };
}

async function examineIdle(ask: Ask, { idleMsMax }: HttpLayerOptions): Promise<LayerFinding> {
  const waits = [0.02, 0.1, 0.5, 1].map((share) => Math.round(share * idleMsMax));
  const results = await Promise.all(
    waits.map(async (ms) => {
      try {
        const answer = await ask(`/link/v1/probe/idle?ms=${ms}`, { timeoutMs: ms + probeMs });
        return { ms, problem: answer.status === 200 ? null : `answered ${answer.status}` };
      } catch (error) {
        return { ms, problem: error instanceof TimeoutError ? 'never answered' : 'cut' };
      }
    }),
  );
  const failed = results.find((result) => result.problem !== null);
  if (failed === undefined) {
    const finding = `Requests may wait ${seconds(idleMsMax)} for their answer (longer was not tried).`;
    return { name: 'idle-limit', state: 'ok', finding, advice: null };
  }
  const longest = results.filter((result) => result.problem === null && result.ms < failed.ms).at(-1);
  const passed = longest === undefined ? 'none of those tried pass' : `${seconds(longest.ms)} pass`;
  return {
    name: 'idle-limit',
    state: 'limited',
    finding: `A request that waits ${seconds(failed.ms)} for its answer is ${failed.problem}; ${passed}.`,
    advice: 'Nothing has to be done: waits adapt. Allowing requests of 60 s to this host saves traffic.',
  };
}

function kilobytes(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${bytes / (1024 * 1024)} MB` : `${Math.round(bytes / 1000)} kB`;
}

function seconds(ms: number): string {
  return ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
}
