// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentLedger, Offer, Status} from "../src/ConsentLedger.sol";
import {PlainToken} from "./fixtures/Tokens.sol";
import {vm} from "./Vm.sol";

/// What every test of the ledger starts from: a ledger, a token, and people with keys.
abstract contract LedgerTest {
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant PATIENT = uint256(keccak256("patient"));
    uint256 internal constant BUYER = uint256(keccak256("buyer"));
    uint256 internal constant CUSTODIAN = uint256(keccak256("custodian"));
    uint256 internal constant ARBITER = uint256(keccak256("arbiter"));
    uint256 internal constant STRANGER = uint256(keccak256("stranger"));

    ConsentLedger internal ledger;
    PlainToken internal token;
    address internal buyer;
    address internal custodian;
    address internal arbiter;
    address internal stranger;

    function setUp() public virtual {
        vm.warp(START);
        ledger = ConsentLedger(deploy("PULSEMESH_CONSENT_LEDGER", type(ConsentLedger).creationCode));
        token = new PlainToken();
        buyer = vm.addr(BUYER);
        custodian = vm.addr(CUSTODIAN);
        arbiter = vm.addr(ARBITER);
        stranger = vm.addr(STRANGER);
        vm.deal(buyer, 1000 ether);
        token.mint(buyer, 1000 ether);
        vm.prank(buyer);
        token.approve(address(ledger), type(uint256).max);
    }

    /// What the environment gives, or what was compiled with the tests.
    function deploy(string memory name, bytes memory compiled) internal returns (address deployed) {
        bytes memory code = vm.envOr(name, compiled);
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        require(deployed != address(0), "not deployed");
    }

    // ---- Offers

    function accountSigner(uint256 key) internal pure returns (bytes memory) {
        return abi.encodePacked(vm.addr(key));
    }

    function makeOffer(uint256 key, uint256 nonce) internal view returns (Offer memory) {
        return makeOfferOf(accountSigner(key), nonce);
    }

    function makeOfferOf(bytes memory patient, uint256 nonce) internal view returns (Offer memory) {
        return Offer({
            patient: patient,
            payee: ledger.purseOf(patient),
            buyer: buyer,
            custodian: custodian,
            arbiter: arbiter,
            token: address(0),
            price: 1 ether,
            validUntil: uint40(block.timestamp + 72 hours),
            deliverWithin: 1 days,
            accessFor: 30 days,
            terms: keccak256("terms"),
            nonce: bytes32(nonce)
        });
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function signOffer(uint256 key, Offer memory offer) internal view returns (bytes memory) {
        return sign(key, ledger.offerId(offer));
    }

    // ---- EIP-712 by hand: the contract must agree with the standard, not with itself

    function digestOf(ConsentLedger where, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Pulsemesh ConsentLedger"),
                keccak256("1"),
                block.chainid,
                address(where)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function receiptDigest(bytes32 id, bytes32 delivery) internal view returns (bytes32) {
        return digestOf(ledger, keccak256(abi.encode(keccak256("Receipt(bytes32 offer,bytes32 delivery)"), id, delivery)));
    }

    function revocationDigest(bytes32 id) internal view returns (bytes32) {
        return digestOf(ledger, keccak256(abi.encode(keccak256("Revocation(bytes32 offer)"), id)));
    }

    function withdrawalDigest(
        bytes memory signer,
        address currency,
        address to,
        uint256 amount,
        uint256 nonce,
        uint40 until
    ) internal view returns (bytes32) {
        bytes32 kind = keccak256(
            "Withdrawal(bytes signer,address token,address to,uint256 amount,uint256 nonce,uint40 until)"
        );
        return digestOf(ledger, keccak256(abi.encode(kind, keccak256(signer), currency, to, amount, nonce, until)));
    }

    // ---- Steps

    function buy(Offer memory offer, bytes memory signature) internal {
        vm.prank(offer.buyer);
        ledger.purchase{value: offer.token == address(0) ? offer.price : 0}(offer, signature);
    }

    /// An offer that was bought.
    function funded(uint256 nonce) internal returns (Offer memory offer) {
        offer = makeOffer(PATIENT, nonce);
        buy(offer, signOffer(PATIENT, offer));
    }

    function active(uint256 nonce) internal returns (Offer memory offer) {
        offer = funded(nonce);
        vm.prank(buyer);
        ledger.confirm(offer, keccak256("key"), "");
    }

    function delivered(uint256 nonce) internal returns (Offer memory offer) {
        offer = funded(nonce);
        vm.prank(custodian);
        ledger.deliverOnChain(offer, "wrapped");
    }

    function disputed(uint256 nonce) internal returns (Offer memory offer) {
        offer = delivered(nonce);
        vm.prank(buyer);
        ledger.dispute(offer);
    }

    // ---- Expectations

    function expectAt(Offer memory offer, Status expected, uint256 deadline) internal view {
        bytes32 id = ledger.offerId(offer);
        (Status status, uint40 found) = ledger.stateOf(id);
        require(status == expected, "the grant stands elsewhere");
        require(found == deadline, "another deadline");
        require(ledger.isAllowed(id) == (status == Status.Active && block.timestamp <= found), "allowed or not");
    }

    function expectCredit(address currency, address payee, uint256 amount) internal view {
        require(ledger.creditOf(currency, payee) == amount, "another credit");
    }

    function expectRefused(bytes4 reason) internal {
        vm.expectPartialRevert(reason);
    }

    function expectWrongStatus(Offer memory offer, Status status) internal {
        vm.expectRevert(abi.encodeWithSelector(ConsentLedger.WrongStatus.selector, ledger.offerId(offer), status));
    }

    // ---- Lists of one or two

    function listOf(Offer memory first) internal pure returns (Offer[] memory offers) {
        offers = new Offer[](1);
        offers[0] = first;
    }

    function listOf(Offer memory first, Offer memory second) internal pure returns (Offer[] memory offers) {
        offers = new Offer[](2);
        (offers[0], offers[1]) = (first, second);
    }

    function listOf(bytes memory first, bytes memory second) internal pure returns (bytes[] memory items) {
        items = new bytes[](2);
        (items[0], items[1]) = (first, second);
    }
}
