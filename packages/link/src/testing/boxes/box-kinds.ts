import type { BoxRules } from './start-box.ts';

/** The firewall matrix: what hospitals' boxes do, one name each. */
export const boxKinds = {
  pass: {},
  'strips-upgrade': { http: { upgrade: 'strip' } },
  'refuses-upgrade': { http: { upgrade: 'refuse' } },
  'swallows-upgrade': { http: { upgrade: 'swallow' } },
  'buffers-responses': { http: { upgrade: 'strip', buffersResponses: true } },
  'buffers-requests': { http: { upgrade: 'strip', buffersRequests: true } },
  'buffers-both-ways': { http: { upgrade: 'strip', buffersResponses: true, buffersRequests: true } },
  'limits-bodies': { http: { upgrade: 'strip', bodyBytesMax: 100_000 } },
  'limits-bodies-and-buffers': { http: { upgrade: 'strip', buffersResponses: true, bodyBytesMax: 100_000 } },
  'cuts-after-150-ms': { http: { requestMsMax: 150 } },
  'cuts-after-10-s': { http: { requestMsMax: 10_000 } },
  'cuts-after-60-s': { http: { requestMsMax: 60_000 } },
  'only-http-1': { http: {} },
  'only-tls-1.2': { http: { tlsVersionMax: 'TLSv1.2' } },
  'inspects-tls': { http: { isHttp2: true } },
  'inspects-and-buffers-http-2': { http: { isHttp2: true, buffersResponses: true, buffersRequests: true } },
  'wants-connect': { proxy: {} },
  'wants-basic-password': { proxy: { auth: 'basic' } },
  'wants-ntlm-password': { proxy: { auth: 'ntlm' } },
  'proxy-that-strips-upgrade': { proxy: { auth: 'basic' }, http: { upgrade: 'strip' } },
  'cuts-idle-after-30-s': { tcp: { idleMs: 30_000 } },
  'forgets-idle-after-30-s': { tcp: { idleMs: 30_000, idleEnd: 'forget' } },
  'resets-after-1-mb': { tcp: { resetAfterBytes: 1_000_000 } },
  'drops-one-way': { tcp: { swallowDownAfterBytes: 300_000 } },
  'drops-other-way': { tcp: { swallowUpAfterBytes: 300_000 }, http: { upgrade: 'strip' } },
} as const satisfies Readonly<Record<string, BoxRules>>;

export type BoxKind = keyof typeof boxKinds;
