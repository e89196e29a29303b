import { describe, expect, it } from 'vitest';
import { assertPublicUrl } from './public-url.ts';

const resolve = async (name: string): Promise<readonly string[]> => {
  const known: Record<string, string[]> = {
    'relay.example.org': ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c'],
    'rebind.example.org': ['93.184.215.14', '127.0.0.1'],
    'inside.example.org': ['10.0.0.5'],
    'metadata.example.org': ['169.254.169.254'],
    'mapped.example.org': ['::ffff:10.0.0.5'],
    'many.example.org': Array.from({ length: 17 }, (_, index) => `93.184.215.${index}`),
    'nothing.example.org': [],
  };
  const found = known[name];
  if (found === undefined) throw new Error('ENOTFOUND');
  return found;
};

const inside = [
  'https://127.0.0.1/',
  'https://127.1/',
  'https://127.0.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7f.1/',
  'https://0177.0.0.1/',
  'https://127.0.0.1./',
  'https://127.255.255.254/',
  'https://0.0.0.0/',
  'https://0/',
  'https://10.0.0.1/',
  'https://10.255.255.255/',
  'https://100.64.0.1/',
  'https://100.127.255.255/',
  'https://169.254.1.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://172.16.0.1/',
  'https://172.31.255.255/',
  'https://192.0.0.1/',
  'https://192.0.2.1/',
  'https://192.88.99.1/',
  'https://192.168.0.1/',
  'https://3232235521/',
  'https://198.18.0.1/',
  'https://198.19.255.255/',
  'https://198.51.100.1/',
  'https://203.0.113.1/',
  'https://224.0.0.1/',
  'https://239.255.255.255/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://100.100.100.200/',
  'https://168.63.129.16/',
  'https://[::]/',
  'https://[::1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[::ffff:0:127.0.0.1]/',
  'https://[::127.0.0.1]/',
  'https://[64:ff9b::127.0.0.1]/',
  'https://[64:ff9b::a00:1]/',
  'https://[2002:7f00:1::]/',
  'https://[2002:a00:1::1]/',
  'https://[2001::1]/',
  'https://[2001:db8::1]/',
  'https://[100::1]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fdff:ffff::1]/',
  'https://[fe80::1]/',
  'https://[febf::1]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://[3fff::1]/',
  'https://[5f00::1]/',
  'wss://localhost/',
  'https://LOCALHOST./',
  'https://relay/',
  'https://relay.local/',
  'https://metadata.google.internal/',
  'https://①②⑦.⓪.⓪.①/',
  'https://rebind.example.org/',
  'https://inside.example.org/',
  'https://metadata.example.org/',
  'https://mapped.example.org/',
];

describe('a URL that somebody else named', () => {
  it(`is refused where it leads inside (${inside.length} ways)`, async () => {
    expect(inside.length).toBeGreaterThanOrEqual(60);
    for (const url of inside) {
      await expect(assertPublicUrl(url, { resolve }), url).rejects.toMatchObject({ code: 'url-not-public' });
    }
  });

  it.each([
    ['http://relay.example.org/', 'scheme'],
    ['ftp://relay.example.org/', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['https://user@relay.example.org/', 'credentials'],
    ['relay.example.org', 'not-a-url'],
    [`https://relay.example.org/${'x'.repeat(2048)}`, 'not-a-url'],
    ['https://unknown.example.org/', 'unresolved'],
    ['https://nothing.example.org/', 'unresolved'],
    ['https://many.example.org/', 'unresolved'],
  ])('%s is refused for its %s', async (url, reason) => {
    await expect(assertPublicUrl(url, { resolve })).rejects.toMatchObject({ facts: { reason } });
  });

  it('passes with the addresses it was judged by', async () => {
    const { url, addresses } = await assertPublicUrl('wss://relay.example.org:8443/link', { resolve });
    expect([url.hostname, addresses.length]).toEqual(['relay.example.org', 2]);
    expect((await assertPublicUrl('https://93.184.215.14/')).addresses).toEqual(['93.184.215.14']);
    await assertPublicUrl('https://[2606:4700::1111]/');
    await assertPublicUrl('https://172.32.0.1/');
    await assertPublicUrl('https://100.128.0.1/');
  });

  it('may lead inside where that is configured, but never to a metadata service', async () => {
    await assertPublicUrl('https://10.0.0.5/', { allowPrivate: true });
    await assertPublicUrl('https://localhost/', { allowPrivate: true, resolve: async () => ['127.0.0.1'] });
    for (const url of ['https://169.254.169.254/', 'https://[::ffff:169.254.169.254]/', 'https://[fd00:ec2::254]/']) {
      await expect(assertPublicUrl(url, { allowPrivate: true }), url).rejects.toMatchObject({
        facts: { reason: 'address' },
      });
    }
  });
});
