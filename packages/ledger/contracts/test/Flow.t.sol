// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentLedger, Offer, Status} from "../src/ConsentLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {Vm, vm} from "./Vm.sol";

/// Every step as it is meant, and each refused where it does not belong.
contract FlowTest is LedgerTest {
    uint256 private constant ACCESS = 30 days;

    // ---- Purchase

    function test_purchase_fundsTheGrant() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        expectAt(offer, Status.None, 0);
        buy(offer, signOffer(PATIENT, offer));
        expectAt(offer, Status.Funded, START + 1 days);
        require(address(ledger).balance == 1 ether);
    }

    function test_offerId_isTheStandardsDigest() public view {
        Offer memory o = makeOffer(PATIENT, 1);
        bytes32 kind = keccak256(
            "Offer(bytes patient,address payee,address buyer,address custodian,address arbiter,address token,uint96 price,uint40 validUntil,uint32 deliverWithin,uint32 accessFor,bytes32 terms,bytes32 nonce)"
        );
        bytes memory first =
            abi.encode(kind, keccak256(o.patient), o.payee, o.buyer, o.custodian, o.arbiter, o.token, o.price);
        bytes memory last = abi.encode(o.validUntil, o.deliverWithin, o.accessFor, o.terms, o.nonce);
        require(ledger.offerId(o) == digestOf(ledger, keccak256(bytes.concat(first, last))));
    }

    function test_purchase_byPriceZeroMovesNothing() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.price = 0;
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, keccak256("key"), "");
        expectAt(offer, Status.Active, START + ACCESS);
        expectCredit(address(0), offer.payee, 0);
        require(creditSlot(address(0), offer.payee) == 0, "no credit is written");
    }

    function test_purchase_inAToken() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.token = address(token);
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, keccak256("key"), "");
        expectCredit(address(token), offer.payee, 1 ether);
        expectCredit(address(0), offer.payee, 0);
        require(token.balanceOf(address(ledger)) == 1 ether);
    }

    function test_purchaseMany_buysAllOrNone() public {
        Offer memory first = makeOffer(PATIENT, 1);
        Offer memory second = makeOffer(STRANGER, 2);
        Offer[] memory offers = listOf(first, second);
        bytes[] memory signatures = listOf(signOffer(PATIENT, first), signOffer(PATIENT, second));
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchaseMany{value: 2 ether}(offers, signatures);
        expectAt(first, Status.None, 0);
        signatures = listOf(signOffer(PATIENT, first), signOffer(STRANGER, second));
        vm.prank(buyer);
        ledger.purchaseMany{value: 2 ether}(offers, signatures);
        expectAt(first, Status.Funded, START + 1 days);
        expectAt(second, Status.Funded, START + 1 days);
    }

    function test_purchaseMany_inAToken() public {
        Offer memory first = makeOffer(PATIENT, 1);
        Offer memory second = makeOffer(PATIENT, 2);
        (first.token, second.token) = (address(token), address(token));
        bytes[] memory signatures = listOf(signOffer(PATIENT, first), signOffer(PATIENT, second));
        vm.prank(buyer);
        ledger.purchaseMany(listOf(first, second), signatures);
        require(token.balanceOf(address(ledger)) == 2 ether);
    }

    function test_purchaseMany_refusesMixedTokensAndUnevenLists() public {
        Offer memory first = makeOffer(PATIENT, 1);
        Offer memory second = makeOffer(PATIENT, 2);
        second.token = address(token);
        bytes[] memory signatures = listOf(signOffer(PATIENT, first), signOffer(PATIENT, second));
        vm.prank(buyer);
        expectRefused(ConsentLedger.MixedTokens.selector);
        ledger.purchaseMany{value: 2 ether}(listOf(first, second), signatures);
        vm.prank(buyer);
        expectRefused(ConsentLedger.LengthMismatch.selector);
        ledger.purchaseMany{value: 1 ether}(listOf(first), signatures);
        vm.prank(buyer);
        expectRefused(ConsentLedger.LengthMismatch.selector);
        ledger.purchaseMany(new Offer[](0), new bytes[](0));
    }

    // ---- Confirm

    function test_confirm_byTheBuyersReceiptFromAnybody() public {
        Offer memory offer = funded(1);
        bytes32 delivery = keccak256("key");
        bytes memory receipt = sign(BUYER, receiptDigest(ledger.offerId(offer), delivery));
        vm.prank(stranger);
        ledger.confirm(offer, delivery, receipt);
        expectAt(offer, Status.Active, START + ACCESS);
        expectCredit(address(0), offer.payee, 1 ether);
    }

    function test_confirm_refusesForeignReceipts() public {
        Offer memory offer = funded(1);
        bytes32 id = ledger.offerId(offer);
        bytes memory bySomebody = sign(STRANGER, receiptDigest(id, "key"));
        bytes memory ofAnother = sign(BUYER, receiptDigest(id, "other key"));
        bytes[] memory bad = listOf(bySomebody, ofAnother);
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.prank(custodian);
            expectRefused(ConsentLedger.WrongSignature.selector);
            ledger.confirm(offer, "key", bad[i]);
        }
        vm.prank(custodian);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.confirm(offer, "key", "");
    }

    function test_confirm_isTakenUntilTheRefund() public {
        Offer memory offer = funded(1);
        vm.warp(START + 2 days);
        vm.prank(buyer);
        ledger.confirm(offer, "key", "");
        expectAt(offer, Status.Active, START + 2 days + ACCESS);
    }

    /// A receipt and a delivery on chain may cross: the patient need not wait for the window then.
    function test_confirm_isTakenAfterADeliveryOnChain() public {
        Offer memory offer = delivered(1);
        ledger.confirm(offer, "key", sign(BUYER, receiptDigest(ledger.offerId(offer), "key")));
        expectAt(offer, Status.Active, START + ACCESS);
        expectCredit(address(0), offer.payee, 1 ether);
        Offer memory objected = disputed(2);
        expectWrongStatus(objected, Status.Disputed);
        vm.prank(buyer);
        ledger.confirm(objected, "key", "");
    }

    function test_confirm_onlyOnce() public {
        Offer memory offer = active(1);
        expectWrongStatus(offer, Status.Active);
        vm.prank(buyer);
        ledger.confirm(offer, "key", "");
    }

    function test_confirmMany_passesOverWhatIsDone() public {
        Offer memory first = funded(1);
        Offer memory second = funded(2);
        bytes32[] memory deliveries = new bytes32[](2);
        bytes[] memory receipts = listOf(
            sign(BUYER, receiptDigest(ledger.offerId(first), 0)), sign(BUYER, receiptDigest(ledger.offerId(second), 0))
        );
        ledger.confirm(first, 0, receipts[0]);
        ledger.confirmMany(listOf(first, second), deliveries, receipts);
        expectAt(second, Status.Active, START + ACCESS);
        expectCredit(address(0), first.payee, 2 ether);
        receipts[1] = "";
        Offer memory third = funded(3);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.confirmMany(listOf(first, third), deliveries, receipts);
        expectRefused(ConsentLedger.LengthMismatch.selector);
        ledger.confirmMany(listOf(first), deliveries, receipts);
    }

    function test_access_endsAfterItsTime() public {
        Offer memory offer = active(1);
        bytes32 id = ledger.offerId(offer);
        vm.warp(START + ACCESS);
        require(ledger.isAllowed(id));
        vm.warp(START + ACCESS + 1);
        require(!ledger.isAllowed(id));
    }

    // ---- Delivery on chain, dispute

    function test_deliverOnChain_settlesWhenNobodyObjects() public {
        Offer memory offer = delivered(1);
        expectAt(offer, Status.Delivered, START + ledger.CHALLENGE_WINDOW());
        expectRefused(ConsentLedger.TooEarly.selector);
        ledger.settle(offer);
        vm.warp(START + ledger.CHALLENGE_WINDOW() + 1);
        vm.prank(stranger);
        ledger.settle(offer);
        expectAt(offer, Status.Active, block.timestamp + ACCESS);
        expectCredit(address(0), offer.payee, 1 ether);
    }

    function test_deliverOnChain_onlyByTheCustodianInTime() public {
        Offer memory offer = funded(1);
        vm.prank(stranger);
        expectRefused(ConsentLedger.NotCustodian.selector);
        ledger.deliverOnChain(offer, "wrapped");
        vm.warp(START + 1 days + 1);
        vm.prank(custodian);
        expectRefused(ConsentLedger.TooLate.selector);
        ledger.deliverOnChain(offer, "wrapped");
    }

    function test_settleMany_passesOverTheRest() public {
        Offer memory ready = delivered(1);
        Offer memory waiting = funded(2);
        vm.warp(START + 2 days);
        ledger.settleMany(listOf(waiting, ready));
        expectAt(ready, Status.Active, block.timestamp + ACCESS);
        expectAt(waiting, Status.Funded, START + 1 days);
        ledger.settleMany(listOf(ready));
        expectCredit(address(0), ready.payee, 1 ether);
    }

    function test_dispute_onlyByTheBuyerInTheWindow() public {
        Offer memory offer = delivered(1);
        vm.prank(custodian);
        expectRefused(ConsentLedger.NotBuyer.selector);
        ledger.dispute(offer);
        vm.warp(START + ledger.CHALLENGE_WINDOW() + 1);
        vm.prank(buyer);
        expectRefused(ConsentLedger.TooLate.selector);
        ledger.dispute(offer);
    }

    function test_dispute_needsAnArbiter() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.arbiter = address(0);
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(custodian);
        ledger.deliverOnChain(offer, "wrapped");
        vm.prank(buyer);
        expectRefused(ConsentLedger.NoArbiter.selector);
        ledger.dispute(offer);
    }

    function test_resolve_dividesThePrice() public {
        Offer memory offer = disputed(1);
        expectAt(offer, Status.Disputed, START + ledger.ARBITRATION_WINDOW());
        vm.prank(stranger);
        expectRefused(ConsentLedger.NotArbiter.selector);
        ledger.resolve(offer, 1);
        vm.expectRevert(abi.encodeWithSelector(ConsentLedger.MoreThanPrice.selector, ledger.offerId(offer), 1 ether));
        vm.prank(arbiter);
        ledger.resolve(offer, 1 ether + 1);
        vm.prank(arbiter);
        ledger.resolve(offer, 0.3 ether);
        expectAt(offer, Status.Closed, 0);
        expectCredit(address(0), buyer, 0.3 ether);
        expectCredit(address(0), offer.payee, 0.7 ether);
    }

    function test_resolve_isTakenLateUntilThePriceIsHalved() public {
        Offer memory offer = disputed(1);
        vm.warp(START + 31 days);
        vm.prank(arbiter);
        ledger.resolve(offer, 0);
        expectCredit(address(0), offer.payee, 1 ether);
    }

    function test_resolveUnanswered_halvesThePrice() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.price = 1001;
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(custodian);
        ledger.deliverOnChain(offer, "wrapped");
        vm.prank(buyer);
        ledger.dispute(offer);
        vm.warp(START + ledger.ARBITRATION_WINDOW());
        expectRefused(ConsentLedger.TooEarly.selector);
        ledger.resolveUnanswered(offer);
        vm.warp(START + ledger.ARBITRATION_WINDOW() + 1);
        ledger.resolveUnanswered(offer);
        expectAt(offer, Status.Closed, 0);
        expectCredit(address(0), buyer, 501);
        expectCredit(address(0), offer.payee, 500);
    }

    // ---- Refund

    function test_refund_afterTheDeadlineByAnybody() public {
        Offer memory offer = funded(1);
        vm.warp(START + 1 days);
        expectRefused(ConsentLedger.TooEarly.selector);
        ledger.refund(offer);
        vm.warp(START + 1 days + 1);
        vm.prank(stranger);
        ledger.refund(offer);
        expectAt(offer, Status.Closed, 0);
        expectCredit(address(0), buyer, 1 ether);
        expectCredit(address(0), offer.payee, 0);
    }

    function test_refund_inTheTokenThatWasPaid() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.token = address(token);
        buy(offer, signOffer(PATIENT, offer));
        vm.warp(START + 1 days + 1);
        ledger.refund(offer);
        expectCredit(address(token), buyer, 1 ether);
        expectCredit(address(0), buyer, 0);
    }

    function test_refundMany_passesOverTheRest() public {
        Offer memory late = funded(1);
        Offer memory done = active(2);
        vm.warp(START + 1 days + 1);
        Offer memory young = makeOffer(PATIENT, 3);
        buy(young, signOffer(PATIENT, young));
        ledger.refundMany(listOf(done, late));
        ledger.refundMany(listOf(young, late));
        expectAt(late, Status.Closed, 0);
        expectAt(young, Status.Funded, block.timestamp + 1 days);
        expectCredit(address(0), buyer, 1 ether);
    }

    // ---- Revoke

    function test_revoke_beforeThePurchase() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory signature = signOffer(PATIENT, offer);
        vm.prank(vm.addr(PATIENT));
        ledger.revoke(offer);
        expectAt(offer, Status.Revoked, 0);
        expectWrongStatus(offer, Status.Revoked);
        vm.prank(buyer);
        ledger.purchase{value: 1 ether}(offer, signature);
    }

    function test_revoke_ofAFundedGrantRefundsAtOnce() public {
        Offer memory offer = funded(1);
        vm.prank(vm.addr(PATIENT));
        ledger.revoke(offer);
        expectAt(offer, Status.Revoked, 0);
        expectCredit(address(0), buyer, 1 ether);
        vm.warp(START + 2 days);
        expectWrongStatus(offer, Status.Revoked);
        ledger.refund(offer);
    }

    function test_revoke_ofAnActiveGrantStopsReading() public {
        Offer memory offer = active(1);
        bytes memory yes = sign(PATIENT, revocationDigest(ledger.offerId(offer)));
        vm.prank(stranger);
        ledger.revokeBySignature(offer, yes);
        expectAt(offer, Status.Revoked, 0);
        expectCredit(address(0), buyer, 0);
        expectCredit(address(0), offer.payee, 1 ether);
    }

    function test_revoke_onlyByThePatient() public {
        Offer memory offer = active(1);
        bytes32 id = ledger.offerId(offer);
        vm.prank(buyer);
        expectRefused(ConsentLedger.NotPatient.selector);
        ledger.revoke(offer);
        bytes memory foreign = sign(STRANGER, revocationDigest(id));
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.revokeBySignature(offer, foreign);
        // The yes to the offer is no no.
        bytes memory yes = sign(PATIENT, id);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.revokeBySignature(offer, yes);
    }

    function test_revoke_notWhileTheKeyIsOnChain() public {
        Offer memory offer = delivered(1);
        expectWrongStatus(offer, Status.Delivered);
        vm.prank(vm.addr(PATIENT));
        ledger.revoke(offer);
        vm.prank(buyer);
        ledger.dispute(offer);
        bytes memory yes = sign(PATIENT, revocationDigest(ledger.offerId(offer)));
        expectWrongStatus(offer, Status.Disputed);
        ledger.revokeBySignature(offer, yes);
    }

    function test_revokeMany_bySignatureAndByAccount() public {
        Offer memory first = active(1);
        Offer memory second = funded(2);
        Offer memory kept = delivered(3);
        bytes memory yes = sign(PATIENT, revocationDigest(ledger.offerId(first)));
        vm.prank(vm.addr(PATIENT));
        ledger.revokeMany(listOf(first, second), listOf(yes, ""));
        expectAt(first, Status.Revoked, 0);
        expectAt(second, Status.Revoked, 0);
        vm.prank(vm.addr(PATIENT));
        ledger.revokeMany(listOf(first, kept), listOf("", ""));
        expectAt(kept, Status.Delivered, START + 1 days);
        Offer memory fourth = funded(4);
        expectRefused(ConsentLedger.NotPatient.selector);
        ledger.revokeMany(listOf(fourth, fourth), listOf("", ""));
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.revokeMany(listOf(fourth, fourth), listOf(yes, yes));
        expectRefused(ConsentLedger.LengthMismatch.selector);
        ledger.revokeMany(listOf(fourth), listOf(yes, yes));
    }

    // ---- Withdraw

    function test_withdraw_paysTheCaller() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.payee = stranger;
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, "key", "");
        require(creditSlot(address(0), stranger) == bytes32(uint256(1 ether)));
        vm.prank(stranger);
        ledger.withdraw(address(0));
        require(stranger.balance == 1 ether && address(ledger).balance == 0);
        require(creditSlot(address(0), stranger) == 0, "the slot is cleared");
        vm.prank(stranger);
        expectRefused(ConsentLedger.NothingToWithdraw.selector);
        ledger.withdraw(address(0));
    }

    function test_withdrawFor_paysAnAccountByAnybody() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        (offer.payee, offer.token) = (stranger, address(token));
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, "key", "");
        ledger.withdrawFor(stranger, address(token));
        require(token.balanceOf(stranger) == 1 ether);
        expectRefused(ConsentLedger.NothingToWithdraw.selector);
        ledger.withdrawFor(stranger, address(token));
    }

    function test_withdrawFor_refusesPurses() public {
        Offer memory offer = active(1);
        expectRefused(ConsentLedger.IsPurse.selector);
        ledger.withdrawFor(offer.payee, address(0));
        expectCredit(address(0), offer.payee, 1 ether);
    }

    function test_withdrawBySignature_paysAnywhereOnce() public {
        bytes memory signer = accountSigner(PATIENT);
        active(1);
        uint40 until = uint40(block.timestamp + 1 hours);
        bytes memory yes = sign(PATIENT, withdrawalDigest(signer, address(0), stranger, 0.4 ether, 0, until));
        vm.prank(custodian);
        ledger.withdrawBySignature(signer, address(0), stranger, 0.4 ether, 0, until, yes);
        require(stranger.balance == 0.4 ether);
        expectCredit(address(0), ledger.purseOf(signer), 0.6 ether);
        require(ledger.nonceOf(address(0), ledger.purseOf(signer)) == 1);
        vm.expectRevert(abi.encodeWithSelector(ConsentLedger.WrongNonce.selector, 1));
        ledger.withdrawBySignature(signer, address(0), stranger, 0.4 ether, 0, until, yes);
    }

    function test_withdrawBySignature_countsOnWhenThePurseWasEmptied() public {
        bytes memory signer = accountSigner(PATIENT);
        address purse = ledger.purseOf(signer);
        active(1);
        bytes memory yes = sign(PATIENT, withdrawalDigest(signer, address(0), stranger, 1 ether, 0, type(uint40).max));
        ledger.withdrawBySignature(signer, address(0), stranger, 1 ether, 0, type(uint40).max, yes);
        expectCredit(address(0), purse, 0);
        active(2);
        expectRefused(ConsentLedger.WrongNonce.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 1 ether, 0, type(uint40).max, yes);
        expectRefused(ConsentLedger.IsPurse.selector);
        ledger.withdrawFor(purse, address(0));
        expectCredit(address(0), purse, 1 ether);
    }

    function test_withdrawBySignature_refusesWhatWasNotSigned() public {
        bytes memory signer = accountSigner(PATIENT);
        active(1);
        uint40 until = uint40(block.timestamp + 1 hours);
        bytes memory yes = sign(PATIENT, withdrawalDigest(signer, address(0), stranger, 1 ether, 0, until));
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.withdrawBySignature(signer, address(0), custodian, 1 ether, 0, until, yes);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 0.9 ether, 0, until, yes);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 1 ether, 0, until + 1, yes);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.withdrawBySignature(signer, address(token), stranger, 1 ether, 0, until, yes);
        // Another's purse: the signer is in what is signed.
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.withdrawBySignature(accountSigner(STRANGER), address(0), stranger, 1 ether, 0, until, yes);
        vm.warp(until + 1);
        expectRefused(ConsentLedger.WithdrawalExpired.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 1 ether, 0, until, yes);
    }

    function test_withdrawBySignature_refusesMoreThanThereIsAndBadRecipients() public {
        bytes memory signer = accountSigner(PATIENT);
        active(1);
        uint40 until = uint40(block.timestamp + 1 hours);
        bytes memory yes = sign(PATIENT, withdrawalDigest(signer, address(0), stranger, 1 ether + 1, 0, until));
        vm.expectRevert(abi.encodeWithSelector(ConsentLedger.MoreThanCredit.selector, 1 ether));
        ledger.withdrawBySignature(signer, address(0), stranger, 1 ether + 1, 0, until, yes);
        yes = sign(PATIENT, withdrawalDigest(signer, address(0), stranger, 0, 0, until));
        expectRefused(ConsentLedger.NothingToWithdraw.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 0, 0, until, yes);
        expectRefused(ConsentLedger.BadRecipient.selector);
        ledger.withdrawBySignature(signer, address(0), address(0), 1, 0, until, yes);
        expectRefused(ConsentLedger.BadRecipient.selector);
        ledger.withdrawBySignature(signer, address(0), address(ledger), 1, 0, until, yes);
    }

    // ---- Logs

    function test_anchorAndLogAccess_sayWhoSentThem() public {
        vm.recordLogs();
        vm.prank(custodian);
        ledger.anchor(bytes32(uint256(1)), bytes32(uint256(2)), 3);
        vm.prank(custodian);
        ledger.logAccess(bytes32(uint256(4)), bytes32(uint256(5)));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        require(logs[0].topics[0] == ConsentLedger.Anchored.selector);
        require(logs[0].topics[1] == bytes32(uint256(uint160(custodian))));
        require(keccak256(logs[0].data) == keccak256(abi.encode(1, 2, 3)));
        require(logs[1].topics[0] == ConsentLedger.Accessed.selector);
        require(logs[1].topics[1] == bytes32(uint256(4)));
        require(logs[1].topics[2] == bytes32(uint256(uint160(custodian))));
        require(keccak256(logs[1].data) == keccak256(abi.encode(5)));
    }

    /// What anybody can search for: ids and custodians, never a patient, a purse or a buyer.
    function test_topics_nameNobody() public {
        vm.recordLogs();
        Offer memory offer = disputed(1);
        vm.prank(arbiter);
        ledger.resolve(offer, 1);
        bytes memory signer = accountSigner(PATIENT);
        bytes32 digest = withdrawalDigest(signer, address(0), stranger, 1, 0, type(uint40).max);
        ledger.withdrawBySignature(signer, address(0), stranger, 1, 0, type(uint40).max, sign(PATIENT, digest));
        bytes32 id = ledger.offerId(offer);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        require(logs.length == 5);
        for (uint256 i = 0; i < logs.length; ++i) {
            for (uint256 j = 1; j < logs[i].topics.length; ++j) {
                require(logs[i].topics[j] == id);
            }
        }
    }

    function creditSlot(address currency, address payee) private view returns (bytes32) {
        // Slots 0 and 1 are the library's, for longer names; 2 is `word`.
        bytes32 inner = keccak256(abi.encode(currency, uint256(3)));
        return vm.load(address(ledger), keccak256(abi.encode(payee, inner)));
    }
}
