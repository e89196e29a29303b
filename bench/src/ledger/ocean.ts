import { createRequire } from 'node:module';
import type { Abi, Account, Chain, Hex, PublicClient, Transport, WalletClient } from 'viem';
import { encodePacked, keccak256, parseEther, parseEventLogs, parseSignature, stringToHex, zeroAddress } from 'viem';

const require = createRequire(import.meta.url);

/** A client that signs for one account, and one that reads. */
export interface Clients {
  readonly wallet: WalletClient<Transport, Chain, Account>;
  readonly reader: PublicClient;
}

/** Gas of the steps of one sale. */
export interface OceanGas {
  readonly listing: bigint;
  readonly approve: bigint;
  readonly buy: bigint;
}

interface Artifact {
  readonly abi: Abi;
  readonly bytecode: Hex;
}

function artifact(path: string): Artifact {
  return require(`@oceanprotocol/contracts/artifacts/contracts/${path}.json`) as Artifact; // as Hardhat writes them
}

/**
 * Deploys Ocean's published contracts (v4) and sells one access for one token at a fixed rate, with the template that buys and orders in one
 * transaction: a data token with its exchange, the buyer's allowance, the purchase.
 */
export async function oceanGas(clients: Clients): Promise<OceanGas> {
  const { wallet, reader } = clients;
  const own = wallet.account.address;
  const deploy = async ({ abi, bytecode }: Artifact, args: readonly unknown[]) => {
    const hash = await wallet.deployContract({ abi, bytecode, args: [...args] });
    const { contractAddress } = await reader.waitForTransactionReceipt({ hash });
    if (!contractAddress) throw new Error('a contract was not deployed');
    return contractAddress;
  };
  const send = async (address: Hex, { abi }: Artifact, functionName: string, args: readonly unknown[]) => {
    const hash = await wallet.writeContract({ address, abi, functionName, args: [...args] });
    const receipt = await reader.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`${functionName} was reverted`);
    return receipt;
  };
  const routerOf = artifact('pools/FactoryRouter.sol/FactoryRouter');
  const exchangeOf = artifact('pools/fixedRate/FixedRateExchange.sol/FixedRateExchange');
  const factoryOf = artifact('ERC721Factory.sol/ERC721Factory');
  const templateOf = artifact('templates/ERC20TemplateEnterprise.sol/ERC20TemplateEnterprise');
  const moneyOf = artifact('grants/GrantsToken.sol/GrantsToken');
  const unused = '0x000000000000000000000000000000000000dEaD';
  const money = await deploy(moneyOf, [parseEther('1000'), parseEther('1000')]);
  const router = await deploy(routerOf, [own, unused, unused, own, []]);
  const exchange = await deploy(exchangeOf, [router]);
  const template = await deploy(templateOf, []);
  const template721 = await deploy(artifact('templates/ERC721Template.sol/ERC721Template'), []);
  const factory = await deploy(factoryOf, [template721, template, router]);
  await send(router, routerOf, 'addFactory', [factory]);
  await send(router, routerOf, 'addFixedRateContract', [exchange]);
  const listing = await send(factory, factoryOf, 'createNftWithErc20WithFixedRate', [
    { name: 'Records', symbol: 'REC', templateIndex: 1n, tokenURI: '', transferable: true, owner: own },
    {
      templateIndex: 1n,
      strings: ['Access', 'ACC'],
      addresses: [own, own, own, zeroAddress],
      uints: [parseEther('1000'), 0n],
      bytess: [],
    },
    {
      fixedPriceAddress: exchange,
      addresses: [money, own, own, zeroAddress],
      uints: [18n, 18n, parseEther('1'), 0n, 1n, 0n],
    },
  ]);
  const [made] = parseEventLogs({ abi: factoryOf.abi, logs: listing.logs, eventName: 'TokenCreated' });
  const [opened] = parseEventLogs({ abi: exchangeOf.abi, logs: listing.logs, eventName: 'ExchangeCreated' });
  const { newTokenAddress: token } = (made?.args ?? {}) as { newTokenAddress?: Hex };
  const { exchangeId } = (opened?.args ?? {}) as { exchangeId?: Hex };
  if (token === undefined || exchangeId === undefined) throw new Error('the listing told no token or exchange');
  const approve = await send(money, moneyOf, 'approve', [token, parseEther('2')]);
  const buy = await send(token, templateOf, 'buyFromFreAndOrder', [
    {
      consumer: own,
      serviceIndex: 1n,
      _providerFee: await providerFee(clients),
      _consumeMarketFee: {
        consumeMarketFeeAddress: own,
        consumeMarketFeeToken: zeroAddress,
        consumeMarketFeeAmount: 0n,
      },
    },
    {
      ...{ exchangeContract: exchange, exchangeId },
      maxBaseTokenAmount: parseEther('2'),
      swapMarketFee: 0n,
      marketFeeAddress: own,
    },
  ]);
  return { listing: listing.gasUsed, approve: approve.gasUsed, buy: buy.gasUsed };
}

/** A provider that takes nothing; its word is signed all the same. */
async function providerFee({ wallet }: Clients) {
  const own = wallet.account.address;
  const providerData = stringToHex('{"timeout":0}');
  const message = keccak256(
    encodePacked(['bytes', 'address', 'address', 'uint256', 'uint256'], [providerData, own, zeroAddress, 0n, 0n]),
  );
  const { r, s, v = 0n } = parseSignature(await wallet.signMessage({ message: { raw: message } }));
  return {
    providerFeeAddress: own,
    providerFeeToken: zeroAddress,
    providerFeeAmount: 0n,
    ...{ v: Number(v), r, s },
    validUntil: 0n,
    providerData,
  };
}
