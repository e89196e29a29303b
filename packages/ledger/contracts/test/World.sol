// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ConsentLedger, Offer, Status} from "../src/ConsentLedger.sol";
import {LedgerTest} from "./LedgerTest.sol";
import {PlainToken} from "./fixtures/Tokens.sol";
import {vm} from "./Vm.sol";

/// People who do anything at any time, and a model that says beforehand whether the ledger must take it. Each action calls the ledger
/// for a grant in whatever state it is; what the ledger did must be what the model says.
contract World is LedgerTest {
    struct Grant {
        Offer offer;
        uint256 key;
        bytes32 id;
        Status status;
        uint256 deadline;
        uint256 purchases;
        bool wasActive;
    }

    uint256 private constant GRANTS_MAX = 64;
    uint256 private constant PEOPLE = 4;

    Grant[] private grants;
    address[3] public currencies;
    mapping(address currency => uint256) public paidIn;
    mapping(address currency => uint256) public paidOut;
    /// What the model holds each payee credited.
    mapping(address currency => mapping(address payee => uint256)) private owed;
    mapping(address payee => bool) private isKnown;
    address[] private payees;
    PlainToken private second;

    constructor() {
        setUp();
        second = new PlainToken();
        second.mint(buyer, 1000 ether);
        vm.prank(buyer);
        second.approve(address(ledger), type(uint256).max);
        currencies = [address(0), address(token), address(second)];
        vm.deal(buyer, 1e30);
        token.mint(buyer, 1e30);
        second.mint(buyer, 1e30);
    }

    // ---- What people do

    function offerAndBuy(uint256 seed) external {
        if (grants.length == GRANTS_MAX) return;
        Grant storage grant = makeGrant(seed);
        // One in eight is signed by somebody else, one in eight paid wrongly, one in eight late.
        uint256 kind = seed % 8;
        uint256 key = kind == 1 ? STRANGER : grant.key;
        if (kind == 2) vm.warp(uint256(grant.offer.validUntil) + 1);
        uint256 value = grant.offer.token == address(0) ? grant.offer.price : 0;
        if (kind == 3) ++value;
        purchase(grant, sign(key, grant.id), value, kind == 0 || kind > 3);
    }

    function buyAgain(uint256 seed) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        uint256 value = grant.offer.token == address(0) ? grant.offer.price : 0;
        bool expected = grant.status == Status.None && block.timestamp <= grant.offer.validUntil;
        purchase(grant, sign(grant.key, grant.id), value, expected);
    }

    function buyMany(uint256 seed) external {
        if (grants.length + 2 > GRANTS_MAX) return;
        Grant storage first = makeGrant(seed);
        Grant storage other = makeGrant(seed >> 8);
        bool isEven = first.offer.token == other.offer.token;
        uint256 value = first.offer.token == address(0) ? uint256(first.offer.price) + other.offer.price : 0;
        bytes[] memory signatures = listOf(sign(first.key, first.id), sign(other.key, other.id));
        bytes memory call = abi.encodeCall(ledger.purchaseMany, (listOf(first.offer, other.offer), signatures));
        vm.prank(buyer);
        (bool ok,) = address(ledger).call{value: value}(call);
        require(ok == isEven, "batch of purchases");
        if (!ok) return;
        setBought(first);
        setBought(other);
    }

    function confirm(uint256 seed, bool isByBuyer, bool isForged) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        bytes memory receipt = sign(isForged ? STRANGER : BUYER, receiptDigest(grant.id, "key"));
        bytes memory call = abi.encodeCall(ledger.confirm, (grant.offer, "key", receipt));
        bool ok = callAs(isByBuyer ? buyer : stranger, call);
        require(ok == (isConfirmable(grant.status) && (isByBuyer || !isForged)), "confirm");
        if (ok) setActive(grant);
    }

    function confirmMany(uint256 seed) external {
        if (grants.length < 2) return;
        (Grant storage first, Grant storage other) = pickTwo(seed);
        bytes memory call = abi.encodeCall(
            ledger.confirmMany,
            (
                listOf(first.offer, other.offer),
                new bytes32[](2),
                listOf(sign(BUYER, receiptDigest(first.id, 0)), sign(BUYER, receiptDigest(other.id, 0)))
            )
        );
        require(callAs(stranger, call), "batch of receipts");
        if (isConfirmable(first.status)) setActive(first);
        if (isConfirmable(other.status)) setActive(other);
    }

    function deliver(uint256 seed, bool isByCustodian) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        bool ok = callAs(isByCustodian ? custodian : stranger, abi.encodeCall(ledger.deliverOnChain, (grant.offer, "w")));
        require(
            ok == (isByCustodian && grant.status == Status.Funded && block.timestamp <= grant.deadline), "deliverOnChain"
        );
        if (ok) move(grant, Status.Delivered, block.timestamp + 1 days);
    }

    function settle(uint256 seed, bool isBatch) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        bool isDue = grant.status == Status.Delivered && block.timestamp > grant.deadline;
        bytes memory call = isBatch
            ? abi.encodeCall(ledger.settleMany, (listOf(grant.offer)))
            : abi.encodeCall(ledger.settle, (grant.offer));
        require(callAs(stranger, call) == (isBatch || isDue), "settle");
        if (isDue) setActive(grant);
    }

    function dispute(uint256 seed, bool isByBuyer) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        bool ok = callAs(isByBuyer ? buyer : stranger, abi.encodeCall(ledger.dispute, (grant.offer)));
        bool isOpen = grant.status == Status.Delivered && block.timestamp <= grant.deadline;
        require(ok == (isByBuyer && isOpen && grant.offer.arbiter != address(0)), "dispute");
        if (ok) move(grant, Status.Disputed, block.timestamp + 30 days);
    }

    function resolve(uint256 seed, uint256 toBuyer, bool isByArbiter) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        toBuyer = toBuyer % (uint256(grant.offer.price) + 2);
        bytes memory call = abi.encodeCall(ledger.resolve, (grant.offer, toBuyer));
        bool ok = callAs(isByArbiter ? arbiter : stranger, call);
        // An offer without arbiter never comes to a dispute.
        require(ok == (isByArbiter && grant.status == Status.Disputed && toBuyer <= grant.offer.price), "resolve");
        if (ok) close(grant, toBuyer);
    }

    function resolveUnanswered(uint256 seed) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        bool ok = callAs(stranger, abi.encodeCall(ledger.resolveUnanswered, (grant.offer)));
        require(ok == (grant.status == Status.Disputed && block.timestamp > grant.deadline), "resolveUnanswered");
        if (ok) close(grant, grant.offer.price - grant.offer.price / 2);
    }

    function refund(uint256 seed, bool isBatch) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        bool isDue = grant.status == Status.Funded && block.timestamp > grant.deadline;
        bytes memory call = isBatch
            ? abi.encodeCall(ledger.refundMany, (listOf(grant.offer)))
            : abi.encodeCall(ledger.refund, (grant.offer));
        require(callAs(stranger, call) == (isBatch || isDue), "refund");
        if (isDue) close(grant, grant.offer.price);
    }

    function revoke(uint256 seed, bool isByPatient, bool isBySignature) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        uint256 key = isByPatient ? grant.key : STRANGER;
        bytes memory call = isBySignature
            ? abi.encodeCall(ledger.revokeBySignature, (grant.offer, sign(key, revocationDigest(grant.id))))
            : abi.encodeCall(ledger.revoke, (grant.offer));
        bool ok = callAs(isBySignature ? custodian : vm.addr(key), call);
        bool isOpen =
            grant.status == Status.None || grant.status == Status.Funded || grant.status == Status.Active;
        require(ok == (isByPatient && isOpen), "revoke");
        if (!ok) return;
        if (grant.status == Status.Funded) owe(grant.offer.token, buyer, grant.offer.price);
        move(grant, Status.Revoked, 0);
    }

    function withdraw(uint256 seed, bool isFor) external {
        address currency = currencies[seed % 3];
        address payee = [buyer, stranger, vm.addr(PATIENT)][(seed >> 8) % 3];
        uint256 amount = owed[currency][payee];
        bytes memory call = isFor
            ? abi.encodeCall(ledger.withdrawFor, (payee, currency))
            : abi.encodeCall(ledger.withdraw, (currency));
        uint256 before = balanceOf(currency, payee);
        require(callAs(isFor ? arbiter : payee, call) == (amount != 0), "withdraw");
        require(balanceOf(currency, payee) - before == amount, "withdrew another amount");
        setPaid(currency, payee, amount);
    }

    function withdrawBySignature(uint256 seed, uint256 amount, bool isForged) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        address purse = ledger.purseOf(grant.offer.patient);
        uint256 credit = owed[grant.offer.token][purse];
        amount = amount % (credit + 2);
        bool isStale = seed % 5 == 0;
        bytes memory call = withdrawalCall(grant, amount, isStale, isForged ? STRANGER : grant.key);
        bool ok = callAs(stranger, call);
        require(ok == (!isForged && !isStale && amount != 0 && amount <= credit), "withdrawBySignature");
        // What was taken once is not taken again by the same signature.
        require(!ok || !callAs(stranger, call), "a signature served twice");
        if (ok) setPaid(grant.offer.token, purse, amount);
    }

    /// A purse's money can be sent nowhere without its signer.
    function robPurse(uint256 seed) external {
        if (grants.length == 0) return;
        Grant storage grant = pick(seed);
        address purse = ledger.purseOf(grant.offer.patient);
        require(!callAs(stranger, abi.encodeCall(ledger.withdrawFor, (purse, grant.offer.token))), "purse robbed");
    }

    /// Several steps of one grant in a row: chance alone seldom brings one to a dispute.
    function walk(uint256 seed, uint256 toBuyer) external {
        this.deliver(seed, true);
        if (seed % 3 == 0) this.passTime(seed >> 2);
        if (seed % 5 == 0) this.settle(seed, seed % 2 == 0);
        this.dispute(seed, true);
        if (seed % 7 == 0) this.passTime(seed >> 3);
        if (seed % 4 == 0) this.resolveUnanswered(seed);
        if (seed % 4 == 1) this.resolve(seed, toBuyer, seed % 8 == 1);
        if (seed % 4 == 2) this.confirm(seed, true, false);
    }

    function passTime(uint256 seed) external {
        uint256[4] memory spans = [uint256(10 minutes), 12 hours, 2 days, 31 days];
        vm.warp(block.timestamp + spans[seed % 4]);
    }

    receive() external payable {}

    // ---- What must hold

    function count() external view returns (uint256) {
        return grants.length;
    }

    /// Balance = prices that are held + credits, and = paid in - paid out, for each currency.
    function checkMoney() external view {
        for (uint256 i = 0; i < currencies.length; ++i) {
            address currency = currencies[i];
            uint256 held = 0;
            for (uint256 j = 0; j < grants.length; ++j) {
                Grant storage grant = grants[j];
                if (grant.offer.token == currency && isHeld(grant.status)) held += grant.offer.price;
            }
            uint256 credited = 0;
            for (uint256 j = 0; j < payees.length; ++j) {
                uint256 credit = ledger.creditOf(currency, payees[j]);
                require(credit == owed[currency][payees[j]], "another credit than the model's");
                credited += credit;
            }
            uint256 balance = balanceOf(currency, address(ledger));
            require(balance == held + credited, "balance is not what is held and credited");
            require(balance == paidIn[currency] - paidOut[currency], "balance is not what came and went");
        }
    }

    /// Each grant stands where the moves that are allowed have put it; bought at most once; readable only while it is active.
    function checkGrants() external view {
        for (uint256 i = 0; i < grants.length; ++i) {
            Grant storage grant = grants[i];
            (Status status, uint40 deadline) = ledger.stateOf(grant.id);
            require(status == grant.status && deadline == grant.deadline, "another state than the model's");
            require(grant.purchases <= 1, "bought twice");
            bool mayRead = grant.status == Status.Active && block.timestamp <= grant.deadline;
            require(ledger.isAllowed(grant.id) == mayRead, "allowed or not");
            require(!mayRead || (grant.purchases == 1 && grant.wasActive), "readable and not paid");
        }
    }

    // ---- The model

    function makeGrant(uint256 seed) private returns (Grant storage grant) {
        uint256 key = PATIENT + (seed >> 16) % PEOPLE;
        Offer memory offer = makeOffer(key, grants.length);
        offer.token = currencies[(seed >> 24) % 3];
        offer.price = (seed >> 32) % 4 == 0 ? 0 : uint96((seed >> 40) % 1e18);
        offer.deliverWithin = uint32(15 minutes + (seed >> 104) % 2 days);
        if ((seed >> 136) % 4 == 0) offer.payee = stranger;
        if ((seed >> 144) % 8 == 0) offer.arbiter = address(0);
        grant = grants.push();
        (grant.offer, grant.key, grant.id) = (offer, key, ledger.offerId(offer));
        know(offer.payee);
        know(ledger.purseOf(offer.patient));
        know(buyer);
    }

    function withdrawalCall(Grant storage grant, uint256 amount, bool isStale, uint256 key)
        private
        view
        returns (bytes memory)
    {
        bytes memory signer = grant.offer.patient;
        address currency = grant.offer.token;
        uint256 nonce = ledger.nonceOf(currency, ledger.purseOf(signer)) + (isStale ? 1 : 0);
        bytes memory yes =
            sign(key, withdrawalDigest(signer, currency, address(this), amount, nonce, type(uint40).max));
        return abi.encodeCall(
            ledger.withdrawBySignature, (signer, currency, address(this), amount, nonce, type(uint40).max, yes)
        );
    }

    function purchase(Grant storage grant, bytes memory signature, uint256 value, bool isExpected) private {
        bytes memory call = abi.encodeCall(ledger.purchase, (grant.offer, signature));
        vm.prank(buyer);
        (bool ok,) = address(ledger).call{value: value}(call);
        require(ok == isExpected, "purchase");
        if (ok) setBought(grant);
    }

    function setBought(Grant storage grant) private {
        require(grant.status == Status.None);
        grant.purchases += 1;
        paidIn[grant.offer.token] += grant.offer.price;
        move(grant, Status.Funded, block.timestamp + grant.offer.deliverWithin);
    }

    function setActive(Grant storage grant) private {
        grant.wasActive = true;
        owe(grant.offer.token, grant.offer.payee, grant.offer.price);
        move(grant, Status.Active, block.timestamp + grant.offer.accessFor);
    }

    function close(Grant storage grant, uint256 toBuyer) private {
        owe(grant.offer.token, buyer, toBuyer);
        owe(grant.offer.token, grant.offer.payee, grant.offer.price - toBuyer);
        move(grant, Status.Closed, 0);
    }

    function move(Grant storage grant, Status status, uint256 deadline) private {
        (grant.status, grant.deadline) = (status, deadline);
    }

    function owe(address currency, address payee, uint256 amount) private {
        owed[currency][payee] += amount;
    }

    function setPaid(address currency, address payee, uint256 amount) private {
        owed[currency][payee] -= amount;
        paidOut[currency] += amount;
    }

    function know(address payee) private {
        if (isKnown[payee]) return;
        isKnown[payee] = true;
        payees.push(payee);
    }

    function isConfirmable(Status status) private pure returns (bool) {
        return status == Status.Funded || status == Status.Delivered;
    }

    function isHeld(Status status) private pure returns (bool) {
        return status == Status.Funded || status == Status.Delivered || status == Status.Disputed;
    }

    function pick(uint256 seed) private view returns (Grant storage) {
        // Half of the time one of the youngest, which are where most can happen.
        uint256 reach = seed % 2 == 0 || grants.length < 3 ? grants.length : 3;
        return grants[grants.length - 1 - (seed >> 8) % reach];
    }

    function pickTwo(uint256 seed) private view returns (Grant storage, Grant storage) {
        uint256 first = (seed >> 8) % grants.length;
        return (grants[first], grants[(first + 1) % grants.length]);
    }

    function callAs(address who, bytes memory data) private returns (bool ok) {
        vm.prank(who);
        (ok,) = address(ledger).call(data);
    }

    function balanceOf(address currency, address who) private view returns (uint256) {
        return currency == address(0) ? who.balance : PlainToken(currency).balanceOf(who);
    }
}
