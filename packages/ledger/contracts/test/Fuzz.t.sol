// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentLedger, Offer, Status} from "../src/ConsentLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {vm} from "./Vm.sol";

/// What must hold whatever the numbers are.
contract FuzzTest is LedgerTest {
    /// Wrong signer, wrong amount: always refused.
    function testFuzz_purchase_refusesAnyOtherSigner(uint256 key, bytes32 nonce) public {
        key = 1 + key % (2 ** 255);
        vm.assume(vm.addr(key) != vm.addr(PATIENT));
        Offer memory offer = makeOffer(PATIENT, uint256(nonce));
        bytes memory foreign = signOffer(key, offer);
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: offer.price}(offer, foreign);
    }

    function testFuzz_purchase_refusesAnyBytesAsSignature(bytes calldata noise) public {
        Offer memory offer = makeOffer(PATIENT, 1);
        vm.assume(keccak256(noise) != keccak256(signOffer(PATIENT, offer)));
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: offer.price}(offer, noise);
    }

    function testFuzz_purchase_refusesAnyOtherAmount(uint96 price, uint96 given) public {
        vm.assume(price != given);
        vm.deal(buyer, given);
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.price = price;
        bytes memory yes = signOffer(PATIENT, offer);
        vm.expectRevert(abi.encodeWithSelector(ConsentLedger.WrongPayment.selector, price, given));
        vm.prank(buyer);
        ledger.purchase{value: given}(offer, yes);
    }

    /// Whatever is changed of a signed offer makes it another one, which nobody signed.
    function testFuzz_purchase_refusesAnyChange(uint8 field, uint256 noise) public {
        vm.assume(noise != 0);
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, offer);
        bytes32 id = ledger.offerId(offer);
        change(offer, field % 10, noise);
        vm.assume(ledger.offerId(offer) != id);
        vm.assume(offer.deliverWithin >= 15 minutes && offer.accessFor >= 15 minutes);
        vm.assume(offer.validUntil >= block.timestamp);
        vm.deal(buyer, offer.price);
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: offer.token == address(0) ? offer.price : 0}(offer, yes);
    }

    /// The arbiter divides, and never pays out more than was paid in.
    function testFuzz_resolve_neverPaysMoreThanThePrice(uint96 price, uint256 toBuyer) public {
        vm.deal(buyer, price);
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.price = price;
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(custodian);
        ledger.deliverOnChain(offer, "wrapped");
        vm.prank(buyer);
        ledger.dispute(offer);
        if (toBuyer > price) expectRefused(ConsentLedger.MoreThanPrice.selector);
        vm.prank(arbiter);
        ledger.resolve(offer, toBuyer);
        uint256 paid = ledger.creditOf(address(0), buyer) + ledger.creditOf(address(0), offer.payee);
        require(paid == (toBuyer > price ? 0 : price));
    }

    /// The same offer on another chain or contract has another id, so no signature for one serves on the other.
    function testFuzz_offerId_differsByChainAndContract(uint64 chain, bytes32 nonce) public {
        vm.assume(chain != block.chainid && chain != 0);
        Offer memory offer = makeOffer(PATIENT, uint256(nonce));
        bytes32 here = ledger.offerId(offer);
        ConsentLedger other = ConsentLedger(deploy("PULSEMESH_CONSENT_LEDGER", type(ConsentLedger).creationCode));
        require(other.offerId(offer) != here);
        vm.chainId(chain);
        require(ledger.offerId(offer) != here);
    }

    /// After its time, or after the patient's no, nobody may read.
    function testFuzz_isAllowed_neverAfterTheEnd(uint32 accessFor, uint40 later, bool isRevoked) public {
        accessFor = uint32(15 minutes + accessFor % (type(uint32).max - 15 minutes));
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.accessFor = accessFor;
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, 0, "");
        bytes32 id = ledger.offerId(offer);
        require(ledger.isAllowed(id));
        if (isRevoked) {
            vm.prank(vm.addr(PATIENT));
            ledger.revoke(offer);
        }
        vm.warp(START + uint256(later));
        require(ledger.isAllowed(id) == (!isRevoked && later <= accessFor));
    }

    /// Each withdrawal takes what was signed, and the rest stays.
    function testFuzz_withdrawBySignature_takesExactlyTheAmount(uint96 price, uint96 amount) public {
        price = uint96(1 + price % (type(uint96).max - 1));
        amount = uint96(1 + amount % price);
        vm.deal(buyer, price);
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.price = price;
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, 0, "");
        bytes memory signer = offer.patient;
        bytes32 digest = withdrawalDigest(signer, address(0), stranger, amount, 0, type(uint40).max);
        ledger.withdrawBySignature(signer, address(0), stranger, amount, 0, type(uint40).max, sign(PATIENT, digest));
        require(stranger.balance == amount && address(ledger).balance == price - amount);
        expectCredit(address(0), offer.payee, price - amount);
    }

    /// Whatever is written to it, the contract answers with a revert or not at all, and its money stays.
    function testFuzz_anyCallData_movesNothing(bytes calldata noise) public {
        active(1);
        (bool ok,) = address(ledger).call(noise);
        ok;
        require(address(ledger).balance == 1 ether);
        expectCredit(address(0), ledger.purseOf(accountSigner(PATIENT)), 1 ether);
    }

    function change(Offer memory offer, uint256 field, uint256 noise) private pure {
        address somebody = address(uint160(noise));
        if (field == 0) offer.patient = bytes.concat(offer.patient, bytes32(noise));
        else if (field == 1) offer.payee = somebody;
        else if (field == 2) offer.custodian = somebody;
        else if (field == 3) offer.arbiter = somebody;
        else if (field == 4) offer.price = uint96(noise);
        else if (field == 5) offer.validUntil = uint40(noise);
        else if (field == 6) offer.deliverWithin = uint32(noise);
        else if (field == 7) offer.accessFor = uint32(noise);
        else if (field == 8) offer.terms = bytes32(noise);
        else offer.nonce = bytes32(noise);
    }
}
