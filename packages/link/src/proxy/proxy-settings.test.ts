import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyLengthOf, headFieldsMax, parseHttpHead } from './http-head.ts';
import { isExcludedFromProxy, noProxyEntriesMax } from './no-proxy.ts';
import { proxyFromEnvironment } from './proxy-environment.ts';
import { Credentials, parseCredentials, parseProxyUrl } from './proxy-server.ts';
import { parsePacResult } from './routes.ts';

describe('NO_PROXY', () => {
  it.each([
    ['*', 'anything.example', 443, true],
    ['', 'relay.example', 443, false],
    ['relay.example', 'relay.example', 443, true],
    ['relay.example', 'RELAY.example.', 443, true],
    ['example', 'relay.example', 443, true],
    ['.example', 'relay.example', 443, true],
    ['.example', 'example', 443, true],
    ['*.example', 'relay.example', 443, true],
    ['lay.example', 'relay.example', 443, false],
    ['relay.example:443', 'relay.example', 443, true],
    ['relay.example:8443', 'relay.example', 443, false],
    ['a, b relay.example', 'relay.example', 443, true],
    ['10.0.0.0/8', '10.1.2.3', 443, true],
    ['10.0.0.0/8', '11.1.2.3', 443, false],
    ['10.0.0.0/8', '10.example', 443, false],
    ['10.0.0.0/33', '10.1.2.3', 443, false],
    ['10.1.2.3', '10.1.2.3', 443, true],
    ['10.1.2.3:80', '10.1.2.3', 443, false],
    ['fd00::/8', 'fd00::1', 443, true],
    ['fd00::1', '[fd00:0::1]', 443, true],
    ['[fd00::1]:443', 'fd00::1', 443, true],
    ['[fd00::1]:444', 'fd00::1', 443, false],
    ['localhost', '127.0.0.1', 443, false],
  ])('%j excludes %s:%i: %s', (list, host, port, isExcluded) => {
    expect(isExcludedFromProxy(list, host, port)).toBe(isExcluded);
  });

  it('looks at a bounded number of entries and survives any text', () => {
    expect(isExcludedFromProxy(`${'x,'.repeat(noProxyEntriesMax)}relay.example`, 'relay.example', 443)).toBe(false);
    fc.assert(fc.property(fc.string(), fc.string(), (list, host) => void isExcludedFromProxy(list, host, 443)));
  });
});

describe('the environment', () => {
  const target = { host: 'relay.example', port: 443, isTls: true };
  it.each([
    [{}, null],
    [{ HTTPS_PROXY: 'http://big:1', https_proxy: 'http://small:2' }, 'small:2'],
    [{ HTTPS_PROXY: '', ALL_PROXY: 'https://all' }, 'all:443'],
    [{ HTTP_PROXY: 'http://plain:3' }, null],
    [{ https_proxy: 'proxy.inside:3128' }, 'proxy.inside:3128'],
    [{ https_proxy: 'http://[fd00::2]:3128' }, 'fd00::2:3128'],
    [{ https_proxy: 'http://p:1', no_proxy: '.example' }, null],
  ])('%j gives %s', (variables, expected) => {
    const proxy = proxyFromEnvironment(variables, target);
    expect(proxy === null ? null : `${proxy.host}:${proxy.port}`).toBe(expected);
  });

  it('does not take a request header for a setting', () => {
    const plaintext = { ...target, isTls: false };
    expect(proxyFromEnvironment({ HTTP_PROXY: 'http://evil:1', REQUEST_METHOD: 'GET' }, plaintext)).toBeNull();
  });
});

describe('credentials', () => {
  it('come from a URL or a file and are never printed', () => {
    const proxy = parseProxyUrl('http://WARD%5Cagent:p%40ss@proxy:3128');
    expect([proxy.credentials?.domain, proxy.credentials?.username]).toEqual(['WARD', 'agent']);
    expect(proxy.credentials?.revealPassword()).toBe('p@ss');
    expect(`${JSON.stringify(proxy)}${proxy.credentials}`).not.toContain('p@ss');
    expect(parseCredentials('agent:a:b\nmore').revealPassword()).toBe('a:b');
    expect(() => parseCredentials('secret-without-colon')).toThrow(/^((?!secret).)*$/);
    expect(new Credentials('a', 'b').toJSON()).toBe('[credentials]');
  });

  it('do not show in the error about a URL that cannot be used', () => {
    for (const url of [
      'http://u:secret@',
      'socks5://u:secret@h',
      'http://u:%secret@h',
      `http://secret${'x'.repeat(3000)}`,
    ]) {
      expect(() => parseProxyUrl(url)).toThrow(/^((?!secret).)*$/);
    }
  });
});

describe('the answer of a PAC file', () => {
  it('becomes routes in order, at most eight', () => {
    expect(parsePacResult('')).toEqual([{ kind: 'direct' }]);
    expect(parsePacResult('PROXY a:1; HTTPS b; SOCKS5 c:2; DIRECT')).toMatchObject([
      { proxy: { scheme: 'http', host: 'a', port: 1 } },
      { proxy: { scheme: 'https', host: 'b', port: 443 } },
      { kind: 'direct' },
    ]);
    expect(parsePacResult('PROXY a:1;'.repeat(20))).toHaveLength(8);
    expect(() => parsePacResult('SOCKS a:1')).toThrow('kinds that are not spoken');
  });
});

describe('the head of a response', () => {
  it('is read strictly', () => {
    const head = parseHttpHead('HTTP/1.1 407 Who\r\nVia: a\r\nvia:b \r\nContent-Length: 3');
    expect([head.status, head.values('via'), bodyLengthOf(head)]).toEqual([
      407,
      ['a', 'b'],
      { kind: 'bytes', count: 3 },
    ]);
    for (const bad of [
      'HTTP/2 200',
      'HTTP/1.1 99 x',
      'HTTP/1.1 200 OK\nA: b',
      'HTTP/1.1 200 OK\r\nA : b',
      'HTTP/1.1 200 OK\r\n: b',
      'HTTP/1.1 200 OK\r\nA: b\0',
      `HTTP/1.1 200 OK${'\r\nA: b'.repeat(headFieldsMax + 1)}`,
    ]) {
      expect(() => parseHttpHead(bad)).toThrow();
    }
  });

  it('either parses or fails as it says, whatever is sent', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseHttpHead(`HTTP/1.1 200 ${text}`);
        } catch (error) {
          expect(error).toMatchObject({ code: 'http-head' });
        }
      }),
    );
  });
});
