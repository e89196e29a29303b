// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC7913P256Verifier} from "@openzeppelin/contracts/utils/cryptography/verifiers/ERC7913P256Verifier.sol";
import {ERC7913WebAuthnVerifier} from "@openzeppelin/contracts/utils/cryptography/verifiers/ERC7913WebAuthnVerifier.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";
import {ConsentLedger, Offer, Status} from "../src/ConsentLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {SigningAccount} from "./fixtures/Accounts.sol";
import {vm} from "./Vm.sol";

/// A patient may be an account, a contract account, a P-256 key or a passkey; each can agree, withdraw consent and withdraw money.
contract SignersTest is LedgerTest {
    uint256 private constant ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    bytes1 private constant PRESENT_AND_VERIFIED = 0x05;

    address private p256;
    address private webAuthn;
    bytes private key;

    function setUp() public override {
        super.setUp();
        p256 = deploy("PULSEMESH_P256_VERIFIER", type(ERC7913P256Verifier).creationCode);
        webAuthn = deploy("PULSEMESH_WEBAUTHN_VERIFIER", type(ERC7913WebAuthnVerifier).creationCode);
        (uint256 x, uint256 y) = vm.publicKeyP256(PATIENT);
        key = abi.encode(x, y);
    }

    function test_account() public {
        runAll(accountSigner(PATIENT), signAsAccount);
    }

    function test_contractAccount() public {
        runAll(abi.encodePacked(address(new SigningAccount(vm.addr(PATIENT)))), signAsAccount);
    }

    function test_p256() public {
        runAll(abi.encodePacked(p256, key), signP256);
    }

    function test_passkey() public {
        runAll(abi.encodePacked(webAuthn, key), signPasskey);
    }

    function test_buyerMayBeAContractAccount() public {
        SigningAccount clinic = new SigningAccount(vm.addr(STRANGER));
        vm.deal(address(clinic), 1 ether);
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.buyer = address(clinic);
        bytes memory yes = signOffer(PATIENT, offer);
        clinic.run(address(ledger), 1 ether, abi.encodeCall(ledger.purchase, (offer, yes)));
        ledger.confirm(offer, "key", sign(STRANGER, receiptDigest(ledger.offerId(offer), "key")));
        expectAt(offer, Status.Active, START + 30 days);
    }

    /// The second value of s is the same signature written otherwise: only the lower is taken.
    function test_p256_refusesHighS() public {
        Offer memory offer = makeOfferOf(abi.encodePacked(p256, key), 1);
        (bytes32 r, bytes32 s) = vm.signP256(PATIENT, ledger.offerId(offer));
        uint256 high = uint256(s) > ORDER / 2 ? uint256(s) : ORDER - uint256(s);
        expectNotBought(offer, abi.encode(r, high));
    }

    function test_passkey_refusesWhatIsNotThisYes() public {
        Offer memory offer = makeOfferOf(abi.encodePacked(webAuthn, key), 1);
        bytes32 id = ledger.offerId(offer);
        // Another challenge; nobody asked to touch; nobody verified; a registration; another key; nonsense.
        expectNotBought(offer, assertion(PATIENT, keccak256("other"), PRESENT_AND_VERIFIED, "webauthn.get"));
        expectNotBought(offer, assertion(PATIENT, id, 0x04, "webauthn.get"));
        expectNotBought(offer, assertion(PATIENT, id, 0x01, "webauthn.get"));
        expectNotBought(offer, assertion(PATIENT, id, PRESENT_AND_VERIFIED, "webauthn.create"));
        expectNotBought(offer, assertion(STRANGER, id, PRESENT_AND_VERIFIED, "webauthn.get"));
        expectNotBought(offer, hex"00");
        expectNotBought(offer, abi.encode(1, 2, 3, 4, type(uint256).max, type(uint256).max));
        expectAt(offer, Status.None, 0);
        buy(offer, assertion(PATIENT, id, PRESENT_AND_VERIFIED, "webauthn.get"));
        expectAt(offer, Status.Funded, START + 1 days);
    }

    function testFuzz_p256_agrees(uint256 secret, bytes32 nonce) public {
        secret = 1 + secret % (ORDER - 1);
        (uint256 x, uint256 y) = vm.publicKeyP256(secret);
        Offer memory offer = makeOfferOf(abi.encodePacked(p256, x, y), uint256(nonce));
        (bytes32 r, bytes32 s) = vm.signP256(secret, ledger.offerId(offer));
        buy(offer, abi.encode(r, lowS(s)));
        expectAt(offer, Status.Funded, START + 1 days);
    }

    // ---- The whole way of one kind of signer

    function runAll(bytes memory signer, function(bytes32) internal view returns (bytes memory) signIt) private {
        Offer memory offer = makeOfferOf(signer, 1);
        expectNotBought(offer, signIt(keccak256("something else")));
        buy(offer, signIt(ledger.offerId(offer)));
        vm.prank(buyer);
        ledger.confirm(offer, "key", "");
        ledger.revokeBySignature(offer, signIt(revocationDigest(ledger.offerId(offer))));
        expectAt(offer, Status.Revoked, 0);
        bytes32 digest = withdrawalDigest(signer, address(0), stranger, 1 ether, 0, type(uint40).max);
        bytes memory wrong = signIt(revocationDigest(digest));
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 1 ether, 0, type(uint40).max, wrong);
        ledger.withdrawBySignature(signer, address(0), stranger, 1 ether, 0, type(uint40).max, signIt(digest));
        require(stranger.balance == 1 ether);
    }

    function expectNotBought(Offer memory offer, bytes memory signature) private {
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: 1 ether}(offer, signature);
    }

    function signAsAccount(bytes32 digest) private pure returns (bytes memory) {
        return sign(PATIENT, digest);
    }

    function signP256(bytes32 digest) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s) = vm.signP256(PATIENT, digest);
        return abi.encode(r, lowS(s));
    }

    function signPasskey(bytes32 digest) private pure returns (bytes memory) {
        return assertion(PATIENT, digest, PRESENT_AND_VERIFIED, "webauthn.get");
    }

    /// What an authenticator and a browser make of a challenge (WebAuthn §7.2).
    function assertion(uint256 secret, bytes32 challenge, bytes1 flags, string memory kind)
        private
        pure
        returns (bytes memory)
    {
        string memory text = vm.toBase64URL(abi.encodePacked(challenge));
        string memory start = string.concat('{"type":"', kind, '",');
        string memory clientData = string.concat(start, '"challenge":"', trim(text), '","origin":"https://x.example"}');
        bytes memory authenticatorData = abi.encodePacked(sha256("x.example"), flags, uint32(0));
        bytes32 digest = sha256(abi.encodePacked(authenticatorData, sha256(bytes(clientData))));
        (bytes32 r, bytes32 s) = vm.signP256(secret, digest);
        WebAuthn.WebAuthnAuth memory auth =
            WebAuthn.WebAuthnAuth(r, lowS(s), bytes(start).length, 1, authenticatorData, clientData);
        bytes memory encoded = abi.encode(auth);
        // Without the offset that stands before a structure.
        bytes memory bare = new bytes(encoded.length - 32);
        for (uint256 i = 0; i < bare.length; ++i) {
            bare[i] = encoded[i + 32];
        }
        return bare;
    }

    /// Browsers write no padding.
    function trim(string memory text) private pure returns (string memory) {
        bytes memory all = bytes(text);
        uint256 length = all.length;
        while (length > 0 && all[length - 1] == "=") --length;
        bytes memory kept = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            kept[i] = all[i];
        }
        return string(kept);
    }

    function lowS(bytes32 s) private pure returns (bytes32) {
        return uint256(s) > ORDER / 2 ? bytes32(ORDER - uint256(s)) : s;
    }
}
