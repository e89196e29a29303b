import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AuthorityRefusedError } from './errors.ts';
import { createAuthorityHttp } from './http.ts';
import { authorityLimits } from './limits.ts';
import {
  decodeEnrolAnswer,
  decodeListAnswer,
  decodeRootsAnswer,
  encodeBytesMessage,
  encodeEmptyMessage,
  encodeEnrolMessage,
} from './messages.ts';
import { authorityMethods, createAuthorityService } from './service.ts';
import { createTestAuthority, testKey } from './test-authority.ts';

const agent = testKey(1);
const operatorToken = 'operator_token-0123456789';

async function serving() {
  const world = await createTestAuthority();
  const service = createAuthorityService(world.authority, world.deps);
  const answer = createAuthorityHttp({ service, authority: world.authority, operatorToken });
  const http = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const init = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const url = `http://relay.example/authority/v1/${path}`;
    const response = await answer(new Request(url, { method, headers, ...init }), 'address');
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  const asOperator = { authorization: `Bearer ${operatorToken}` };
  return { ...world, service, http, asOperator, answer };
}

describe('the service', () => {
  it('answers each method, and says which it does not know', async () => {
    const { service, authority, enrolStatement, renewStatement } = await serving();
    const secret = await authority.createToken({ organisation: 'Ward 7', role: 'agent' });
    const message = encodeEnrolMessage({ statement: enrolStatement(agent), secret });
    const issued = decodeEnrolAnswer(await service.handle('authority.enrol', message, 'a'));
    const status = await service.handle('authority.status', encodeBytesMessage('id', issued.id), 'a');
    expect(decodeEnrolAnswer(status)).toEqual(issued);
    const renewal = encodeBytesMessage('statement', renewStatement(agent));
    expect(decodeEnrolAnswer(await service.handle('authority.renew', renewal, 'a')).state).toBe('issued');
    const empty = encodeEmptyMessage();
    expect(decodeListAnswer(await service.handle('authority.crl', empty, 'a')).number).toBe(1);
    expect(decodeRootsAnswer(await service.handle('authority.roots', empty, 'a'))).toEqual([authority.root]);
    await expect(service.handle('authority.king', empty, 'a')).rejects.toMatchObject({ code: 'method-unknown' });
  });

  it('limits each source by itself, and forgets the one longest silent', async () => {
    const { service, clock } = await serving();
    const ask = (source: string) => service.handle('authority.roots', encodeEmptyMessage(), source);
    for (let count = 0; count < authorityLimits.requestsPerSource; count += 1) await ask('busy');
    await expect(ask('busy')).rejects.toMatchObject({ code: 'too-many-requests', retryable: true });
    await ask('other');
    await clock.advance(authorityLimits.ratePeriodMs / authorityLimits.requestsPerSource + 1);
    await ask('busy');
    await expect(ask('busy')).rejects.toMatchObject({ code: 'too-many-requests' });
    for (let n = 0; n < authorityLimits.sourcesMax; n += 1) await ask(`source ${n}`);
    await ask('busy');
  });

  it('refuses whatever is no message with a condition, and nothing changes', async () => {
    const { service, authority } = await serving();
    let source = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...authorityMethods),
        fc.uint8Array({ maxLength: 400 }),
        async (method, bytes) => {
          source += 1;
          await expect(service.handle(method, bytes, `${source}`)).rejects.toBeInstanceOf(AuthorityRefusedError);
        },
      ),
    );
    const long = new Uint8Array(authorityLimits.messageBytesMax + 1);
    await expect(service.handle('authority.enrol', long, 'long')).rejects.toMatchObject({ code: 'malformed' });
    expect([authority.pending(), authority.agents()]).toEqual([[], []]);
  });
});

describe('the authority over HTTP', () => {
  it('enrols by token and by an operator’s yes, and revokes', async () => {
    const { http, asOperator, enrolStatement } = await serving();
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
    const wanted = { organisation: 'Ward 7', role: 'agent' } as const;
    const made = await http('POST', 'tokens', { ...wanted, uses: 1 }, asOperator);
    const byToken = { statement: base64(enrolStatement(agent)), secret: made.body.secret };
    const issued = await http('POST', 'enrol', byToken);
    expect(issued).toMatchObject({ status: 200, body: { state: 'issued' } });
    expect(await http('POST', 'status', { id: issued.body.id })).toEqual(issued);
    const asking = { statement: base64(enrolStatement(testKey(2), wanted)) };
    expect((await http('POST', 'enrol', asking)).body.state).toBe('pending');
    const [pending] = (await http('GET', 'pending', undefined, asOperator)).body.pending;
    expect((await http('POST', 'approve', { id: pending.id }, asOperator)).status).toBe(200);
    expect((await http('POST', 'enrol', asking)).body.state).toBe('issued');
    const revoked = await http('POST', 'revoke', { peer: agent.peerId, reason: 'left' }, asOperator);
    expect(revoked).toEqual({ status: 200, body: { peer: agent.peerId } });
    expect((await http('POST', 'enrol', byToken)).body.code).toBe('agent-revoked');
    const { agents } = (await http('GET', 'agents', undefined, asOperator)).body;
    expect(agents).toHaveLength(2);
    const page = await http('GET', `agents?after=${agents[0].peer}`, undefined, asOperator);
    expect(page.body.agents).toEqual([agents[1]]);
    expect((await http('GET', 'agents?after=x', undefined, asOperator)).status).toBe(400);
    expect((await http('GET', 'crl')).body.number).toBe(1);
    expect((await http('GET', 'roots')).body.roots).toHaveLength(1);
  });

  it('does for an operator only what the operator’s token opens', async () => {
    const { http, asOperator } = await serving();
    const headers = [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: operatorToken },
      { cookie: operatorToken },
    ];
    for (const header of headers) {
      for (const [method, path] of [
        ['GET', 'pending'],
        ['GET', 'agents'],
        ['POST', 'tokens'],
        ['POST', 'approve'],
        ['POST', 'refuse'],
        ['POST', 'revoke'],
      ] as const) {
        const body = method === 'POST' ? {} : undefined;
        expect(await http(method, path, body, header as Record<string, string>)).toMatchObject({ status: 401 });
      }
    }
    expect((await http('GET', 'pending', undefined, asOperator)).status).toBe(200);
  });

  it('answers what is no request with a code, whatever it is', async () => {
    const { http, asOperator, answer } = await serving();
    for (const path of ['', '../pending', 'constructor', '__proto__', 'enrol/x', '%2e%2e/agents', 'roots%00'])
      expect((await http('GET', path)).status).toBe(404);
    for (const body of ['', '[]', 'null', '"a"', '{', '{"statement":1}', '{"statement":"!!"}', '{"__proto__":{}}'])
      expect(await http('POST', 'enrol', body)).toMatchObject({ status: 400, body: { code: 'malformed' } });
    expect(await http('POST', 'enrol', 'a'.repeat(20_000))).toMatchObject({ status: 400 });
    for (const path of ['approve', 'refuse', 'revoke', 'tokens']) {
      for (const body of [{}, { id: 5 }, { peer: 'x', reason: 'y' }, { organisation: 'a', role: 'king' }, { uses: -1 }])
        expect((await http('POST', path, body, asOperator)).status).toBeGreaterThanOrEqual(400);
    }
    const stranger = await answer(new Request('http://relay.example/elsewhere'), 'a');
    expect(stranger.status).toBe(404);
    expect(stranger.headers.get('set-cookie')).toBeNull();
  });
});
