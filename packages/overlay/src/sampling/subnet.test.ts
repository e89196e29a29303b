import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { noSubnet, subnetsOf } from './subnet.ts';

describe('subnets of addresses', () => {
  it.each([
    ['/ip4/203.0.113.7/tcp/4001', '4/203.0.113'],
    ['/ip4/203.0.113.250/udp/9/quic-v1', '4/203.0.113'],
    ['/ip6/2001:db8:7::1/tcp/4001', '6/2001:db8:7'],
    ['/ip6/2001:0DB8:0007:1:2:3:4:5/tcp/4001', '6/2001:db8:7'],
    ['/ip6/2001::7/tcp/1', '6/2001:0:0'],
    ['/ip6/::1/tcp/1', '6/0:0:0'],
    ['/ip6/fe80::1%eth0/tcp/1', '6/fe80:0:0'],
    ['/ip6/::ffff:203.0.113.7/tcp/1', '4/203.0.113'],
    ['/dns4/host.example/tcp/443', noSubnet],
  ])('of %s: %s', (address, subnet) => {
    expect(subnetsOf([address])).toEqual([subnet]);
  });

  it('are all those that a peer names, each once, and one share for those that name none', () => {
    const addresses = [
      '/ip4/192.0.2.1/tcp/1',
      '/dns/a.example/tcp/1',
      '/ip4/198.51.100.1/tcp/1',
      '/ip4/192.0.2.9/tcp/1',
    ];
    expect(subnetsOf(addresses)).toEqual(['4/192.0.2', '4/198.51.100']);
    expect(subnetsOf([])).toEqual([noSubnet]);
  });

  it('of anything at all are few short texts', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 128 }), { maxLength: 4 }), (addresses) => {
        for (const prefix of ['', '/ip4/', '/ip6/', '/ip6/::']) {
          const subnets = subnetsOf(addresses.map((address) => prefix + address));
          expect(subnets.length).toBeLessThanOrEqual(4);
          for (const subnet of subnets) expect(subnet.length).toBeLessThan(60);
        }
      }),
    );
  });
});
