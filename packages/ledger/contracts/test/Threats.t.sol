// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ConsentLedger, Offer, Status} from "../src/ConsentLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {
    BombingPayee,
    CallingPayee,
    CallingSigner,
    ContractAccount,
    LenientVerifier,
    RefusingAccount
} from "./fixtures/Accounts.sol";
import {
    CallingToken,
    FeeToken,
    ListingToken,
    LyingToken,
    NestingToken,
    RefusingToken,
    SilentToken
} from "./fixtures/Tokens.sol";
import {vm} from "./Vm.sol";

/// Each threat to the contract, tried.
contract ThreatsTest is LedgerTest {
    uint256 private constant K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    // ---- Somebody else's purchase

    function test_frontRunning_anotherBuyerIsRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, offer);
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        expectRefused(ConsentLedger.NotBuyer.selector);
        ledger.purchase{value: 1 ether}(offer, yes);
        // Naming itself makes it another offer, which nobody signed.
        offer.buyer = stranger;
        vm.prank(stranger);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: 1 ether}(offer, yes);
    }

    function test_doublePurchase_isRefusedInEveryState() public {
        Offer[6] memory offers = [funded(1), active(2), delivered(3), disputed(4), funded(5), active(6)];
        vm.warp(block.timestamp + 2 days);
        ledger.refund(offers[4]);
        vm.prank(vm.addr(PATIENT));
        ledger.revoke(offers[5]);
        Status[6] memory stands =
            [Status.Funded, Status.Active, Status.Delivered, Status.Disputed, Status.Closed, Status.Revoked];
        for (uint256 i = 0; i < offers.length; ++i) {
            bytes memory yes = signOffer(PATIENT, offers[i]);
            expectWrongStatus(offers[i], stands[i]);
            vm.prank(buyer);
            ledger.purchase{value: 1 ether}(offers[i], yes);
        }
    }

    function test_doublePurchase_withinABatchIsRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, offer);
        expectWrongStatus(offer, Status.Funded);
        vm.prank(buyer);
        ledger.purchaseMany{value: 2 ether}(listOf(offer, offer), listOf(yes, yes));
    }

    function test_wrongPrice_isRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, offer);
        uint256[3] memory values = [uint256(0), 1 ether - 1, 1 ether + 1];
        for (uint256 i = 0; i < values.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ConsentLedger.WrongPayment.selector, 1 ether, values[i]));
            vm.prank(buyer);
            ledger.purchase{value: values[i]}(offer, yes);
        }
        // Coin sent with an offer in a token would be lost.
        offer.token = address(token);
        yes = signOffer(PATIENT, offer);
        vm.expectRevert(abi.encodeWithSelector(ConsentLedger.WrongPayment.selector, 0, 1));
        vm.prank(buyer);
        ledger.purchase{value: 1}(offer, yes);
        // A lower price is another offer.
        offer.price = 1;
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase(offer, yes);
    }

    function test_wrongSignature_isRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes[] memory bad = new bytes[](5);
        bad[0] = signOffer(STRANGER, offer);
        bad[1] = "";
        bad[2] = new bytes(65);
        bad[3] = bytes.concat(signOffer(PATIENT, offer), hex"00");
        bad[4] = sign(PATIENT, receiptDigest(ledger.offerId(offer), 0));
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.prank(buyer);
            expectRefused(ConsentLedger.WrongSignature.selector);
            ledger.purchase{value: 1 ether}(offer, bad[i]);
        }
    }

    /// Recovery of nonsense gives the zero address: an offer of "nobody" must not be signed by it.
    function test_wrongSignature_ofTheZeroAddressIsRefused() public {
        Offer memory offer = makeOfferOf(abi.encodePacked(address(0)), 1);
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: 1 ether}(offer, new bytes(65));
    }

    function test_wrongSigner_tooShortOrWithoutCodeIsRefused() public {
        bytes[3] memory signers =
            [bytes(""), abi.encodePacked(bytes19(0)), abi.encodePacked(stranger, bytes32(uint256(1)))];
        for (uint256 i = 0; i < signers.length; ++i) {
            Offer memory offer = makeOfferOf(signers[i], i);
            bytes memory yes = signOffer(PATIENT, offer);
            vm.prank(buyer);
            expectRefused(ConsentLedger.WrongSignature.selector);
            ledger.purchase{value: 1 ether}(offer, yes);
        }
    }

    function test_malleability_highSIsRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PATIENT, ledger.offerId(offer));
        bytes memory other = abi.encodePacked(r, bytes32(K1_ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: 1 ether}(offer, other);
    }

    // ---- Replay elsewhere

    function test_replay_onAnotherContractIsRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, offer);
        buy(offer, yes);
        ConsentLedger other = ConsentLedger(deploy("PULSEMESH_CONSENT_LEDGER", type(ConsentLedger).creationCode));
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        other.purchase{value: 1 ether}(offer, yes);
    }

    /// A fork of the chain keeps the contract's address; the digest follows the chain's id all the same.
    function test_replay_onAnotherChainIsRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, offer);
        bytes32 id = ledger.offerId(offer);
        vm.chainId(block.chainid + 1);
        require(ledger.offerId(offer) != id);
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: 1 ether}(offer, yes);
    }

    function test_replay_ofAReceiptRevocationOrWithdrawalElsewhereIsRefused() public {
        Offer memory offer = active(1);
        Offer memory second = funded(2);
        bytes memory receipt = sign(BUYER, receiptDigest(ledger.offerId(second), 0));
        bytes memory no = sign(PATIENT, revocationDigest(ledger.offerId(offer)));
        bytes memory signer = accountSigner(PATIENT);
        bytes32 digest = withdrawalDigest(signer, address(0), stranger, 1, 0, type(uint40).max);
        bytes memory withdrawal = sign(PATIENT, digest);
        vm.chainId(block.chainid + 1);
        // The same offers have other ids there, so they are bought there by other signatures.
        Offer memory there = funded(2);
        vm.prank(custodian);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.confirm(there, 0, receipt);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.revokeBySignature(offer, no);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 1, 0, type(uint40).max, withdrawal);
    }

    // ---- Races

    function test_race_whoeverComesFirstWins() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, offer);
        vm.prank(vm.addr(PATIENT));
        ledger.revoke(offer);
        expectWrongStatus(offer, Status.Revoked);
        vm.prank(buyer);
        ledger.purchase{value: 1 ether}(offer, yes);
        Offer memory bought = funded(2);
        vm.prank(vm.addr(PATIENT));
        ledger.revoke(bought);
        expectCredit(address(0), buyer, 1 ether);
        // The buyer's receipt comes too late to bring it back.
        bytes memory receipt = sign(BUYER, receiptDigest(ledger.offerId(bought), 0));
        expectWrongStatus(bought, Status.Revoked);
        ledger.confirm(bought, 0, receipt);
    }

    function test_race_anOldPriceIsRevokedOrExpires() public {
        Offer memory old = makeOffer(PATIENT, 1);
        bytes memory yes = signOffer(PATIENT, old);
        vm.warp(old.validUntil);
        buy(old, yes);
        Offer memory older = makeOffer(PATIENT, 2);
        yes = signOffer(PATIENT, older);
        vm.warp(older.validUntil + 1);
        vm.prank(buyer);
        expectRefused(ConsentLedger.OfferExpired.selector);
        ledger.purchase{value: 1 ether}(older, yes);
    }

    function test_drift_windowsShorterThanItAreRefused() public {
        for (uint256 i = 0; i < 4; ++i) {
            Offer memory offer = makeOffer(PATIENT, i);
            if (i < 2) offer.deliverWithin = uint32(15 minutes - 1 + i);
            else offer.accessFor = uint32(15 minutes - 3 + i);
            bytes memory yes = signOffer(PATIENT, offer);
            vm.prank(buyer);
            if (i % 2 == 0) expectRefused(ConsentLedger.WindowTooShort.selector);
            ledger.purchase{value: 1 ether}(offer, yes);
        }
        require(ledger.CHALLENGE_WINDOW() >= 15 minutes && ledger.ARBITRATION_WINDOW() >= 15 minutes);
    }

    // ---- Accounts that misbehave

    function test_reentrancy_aSignerThatCallsBackCannotEnter() public {
        CallingSigner signer = new CallingSigner();
        Offer memory offer = makeOfferOf(abi.encodePacked(address(signer)), 1);
        signer.callBack(address(ledger), abi.encodeCall(ledger.revoke, (offer)));
        buy(offer, "");
        expectAt(offer, Status.Funded, START + 1 days);
    }

    function test_reentrancy_aVerifierThatCallsBackCannotEnter() public {
        CallingSigner verifier = new CallingSigner();
        Offer memory offer = makeOfferOf(abi.encodePacked(address(verifier), "key"), 1);
        verifier.callBack(address(ledger), abi.encodeCall(ledger.refund, (offer)));
        // It answers as an account would; a verifier must answer with its own selector.
        vm.prank(buyer);
        expectRefused(ConsentLedger.WrongSignature.selector);
        ledger.purchase{value: 1 ether}(offer, "");
    }

    function test_reentrancy_aPayeeThatCallsBackIsPaidOnce() public {
        CallingPayee payee = new CallingPayee();
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.payee = address(payee);
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, 0, "");
        funded(2);
        payee.callBack(address(ledger), abi.encodeCall(ledger.withdraw, (address(0))));
        ledger.withdrawFor(address(payee), address(0));
        require(payee.hasCalled() && !payee.hasSucceeded());
        require(address(payee).balance == 1 ether && address(ledger).balance == 1 ether);
    }

    function test_griefing_aPayeeThatRefusesHindersOnlyItself() public {
        address[2] memory payees = [address(new RefusingAccount()), address(new BombingPayee())];
        for (uint256 i = 0; i < payees.length; ++i) {
            Offer memory offer = makeOffer(PATIENT, i);
            offer.payee = payees[i];
            buy(offer, signOffer(PATIENT, offer));
            vm.prank(buyer);
            ledger.confirm(offer, 0, "");
            expectAt(offer, Status.Active, START + 30 days);
            expectRefused(ConsentLedger.TransferFailed.selector);
            ledger.withdrawFor(payees[i], address(0));
            expectCredit(address(0), payees[i], 1 ether);
        }
    }

    function test_griefing_aBuyerThatRefusesCannotStopARevocationOrRefund() public {
        RefusingAccount refusing = new RefusingAccount();
        vm.deal(address(refusing), 2 ether);
        for (uint256 i = 0; i < 2; ++i) {
            Offer memory offer = makeOffer(PATIENT, i);
            offer.buyer = address(refusing);
            bytes memory yes = signOffer(PATIENT, offer);
            refusing.run(address(ledger), 1 ether, abi.encodeCall(ledger.purchase, (offer, yes)));
            if (i == 0) {
                vm.prank(vm.addr(PATIENT));
                ledger.revoke(offer);
            } else {
                vm.warp(START + 2 days);
                ledger.refund(offer);
            }
        }
        expectCredit(address(0), address(refusing), 2 ether);
    }

    /// Everybody can name a verifier that nods; nobody else's offer names it.
    function test_lenientVerifier_harmsOnlyWhoNamesIt() public {
        bytes memory signer = abi.encodePacked(address(new LenientVerifier()), "key");
        Offer memory offer = makeOfferOf(signer, 1);
        buy(offer, "");
        vm.prank(buyer);
        ledger.confirm(offer, 0, "");
        active(2);
        expectRefused(ConsentLedger.MoreThanCredit.selector);
        ledger.withdrawBySignature(signer, address(0), stranger, 2 ether, 0, type(uint40).max, "");
    }

    /// The verifier of a key is not the key: it cannot withdraw the consent of those whose signatures it checks.
    function test_verifier_isNotThePatient() public {
        ContractAccount verifier = new ContractAccount(stranger);
        Offer memory offer = makeOfferOf(abi.encodePacked(address(verifier), "key"), 1);
        expectRefused(ConsentLedger.NotPatient.selector);
        verifier.run(address(ledger), 0, abi.encodeCall(ledger.revoke, (offer)));
    }

    /// Somebody may pay into another's purse; that neither opens it nor takes its mark away.
    function test_purse_staysAPurseWhoeverPaysIn() public {
        bytes memory victim = accountSigner(PATIENT);
        Offer memory foreign = makeOffer(STRANGER, 1);
        foreign.payee = ledger.purseOf(victim);
        buy(foreign, signOffer(STRANGER, foreign));
        vm.prank(buyer);
        ledger.confirm(foreign, 0, "");
        active(2);
        expectRefused(ConsentLedger.IsPurse.selector);
        ledger.withdrawFor(foreign.payee, address(0));
        expectCredit(address(0), foreign.payee, 2 ether);
    }

    function test_stray_coinIsRefused() public {
        (bool ok,) = address(ledger).call{value: 1}("");
        require(!ok);
    }

    // ---- Tokens that misbehave

    function test_token_withAFeeIsRefused() public {
        expectTokenRefused(address(new FeeToken()), ConsentLedger.WrongPayment.selector);
    }

    function test_token_thatLiesIsRefused() public {
        expectTokenRefused(address(new LyingToken()), ConsentLedger.WrongPayment.selector);
    }

    function test_token_thatSaysNoIsRefused() public {
        expectTokenRefused(address(new RefusingToken()), SafeERC20.SafeERC20FailedOperation.selector);
    }

    function test_token_withoutCodeIsRefused() public {
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.token = stranger;
        bytes memory yes = signOffer(PATIENT, offer);
        vm.prank(buyer);
        vm.expectRevert();
        ledger.purchase(offer, yes);
    }

    function test_token_thatReturnsNothingIsTaken() public {
        SilentToken silent = new SilentToken();
        silent.mint(buyer, 1 ether);
        Offer memory offer = makeOffer(PATIENT, 1);
        (offer.token, offer.payee) = (address(silent), stranger);
        buy(offer, signOffer(PATIENT, offer));
        vm.prank(buyer);
        ledger.confirm(offer, 0, "");
        ledger.withdrawFor(stranger, address(silent));
        require(silent.balanceOf(stranger) == 1 ether);
    }

    function test_token_thatListsAPayeeHindersNobodyElse() public {
        ListingToken listing = new ListingToken();
        listing.mint(buyer, 2 ether);
        vm.prank(buyer);
        listing.approve(address(ledger), 2 ether);
        address[2] memory payees = [stranger, arbiter];
        for (uint256 i = 0; i < 2; ++i) {
            Offer memory offer = makeOffer(PATIENT, i);
            (offer.token, offer.payee) = (address(listing), payees[i]);
            buy(offer, signOffer(PATIENT, offer));
            vm.prank(buyer);
            ledger.confirm(offer, 0, "");
        }
        listing.refuse(stranger);
        vm.expectRevert();
        ledger.withdrawFor(stranger, address(listing));
        ledger.withdrawFor(arbiter, address(listing));
        expectCredit(address(listing), stranger, 1 ether);
        require(listing.balanceOf(arbiter) == 1 ether);
    }

    function test_reentrancy_aTokenThatCallsBackCannotEnter() public {
        Offer memory other = active(7);
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(ledger.withdraw, (address(0)));
        calls[1] = abi.encodeCall(ledger.withdrawFor, (stranger, address(0)));
        calls[2] = abi.encodeCall(ledger.revoke, (other));
        calls[3] = abi.encodeCall(ledger.purchase, (other, ""));
        for (uint256 i = 0; i < calls.length; ++i) {
            CallingToken calling = new CallingToken();
            calling.mint(buyer, 1 ether);
            vm.prank(buyer);
            calling.approve(address(ledger), 1 ether);
            calling.callBack(address(ledger), calls[i]);
            Offer memory offer = makeOffer(PATIENT, 100 + i);
            offer.token = address(calling);
            buy(offer, signOffer(PATIENT, offer));
            require(calling.hasCalled() && !calling.hasSucceeded());
            require(calling.reason() == bytes4(keccak256("ReentrancyGuardReentrantCall()")));
        }
    }

    /// The balance that is measured around a transfer would count a nested purchase's money twice.
    function test_reentrancy_aNestedPurchaseIsRefused() public {
        NestingToken nesting = new NestingToken();
        nesting.mint(buyer, 10 ether);
        Offer memory inner = makeOffer(PATIENT, 1);
        (inner.buyer, inner.token) = (address(nesting), address(nesting));
        Offer memory outer = makeOffer(PATIENT, 2);
        outer.token = address(nesting);
        nesting.nest(ledger, inner, signOffer(PATIENT, inner));
        bytes memory yes = signOffer(PATIENT, outer);
        vm.prank(buyer);
        expectRefused(bytes4(keccak256("ReentrancyGuardReentrantCall()")));
        ledger.purchase(outer, yes);
    }

    function expectTokenRefused(address bad, bytes4 reason) private {
        FeeToken(bad).mint(buyer, 1 ether);
        vm.prank(buyer);
        IERC20(bad).approve(address(ledger), 1 ether);
        Offer memory offer = makeOffer(PATIENT, 1);
        offer.token = bad;
        bytes memory yes = signOffer(PATIENT, offer);
        vm.prank(buyer);
        expectRefused(reason);
        ledger.purchase(offer, yes);
        expectAt(offer, Status.None, 0);
    }
}
