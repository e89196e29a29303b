// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice What a patient agrees to. Its EIP-712 digest is the grant's id. Times are seconds since 1970.
struct Offer {
    /// ERC-7913 signer: 20 bytes are an account or a contract account (ERC-1271); longer ones a verifier's address and a key.
    bytes patient;
    /// Who is credited: `purseOf(patient)`, or an account that can call this contract.
    address payee;
    address buyer;
    /// May deliver the wrapped key on chain.
    address custodian;
    /// Decides disputes; the zero address: there are none.
    address arbiter;
    /// The zero address: the chain's own coin.
    address token;
    uint96 price;
    /// After it nobody can buy.
    uint40 validUntil;
    /// Seconds after the purchase until which the key must be there; then the buyer is refunded.
    uint32 deliverWithin;
    /// Seconds after the delivery during which the buyer may read.
    uint32 accessFor;
    /// Salted commitment to the consent; the salt stays off the chain.
    bytes32 terms;
    bytes32 nonce;
}

enum Status {
    None,
    Funded,
    Delivered,
    Disputed,
    Active,
    Closed,
    Revoked
}

/// @title Consent, compensation and the roots of access logs
/// @notice Holds the price of a grant between purchase and delivery, and one word per grant. Nobody owns it, nothing can change it or
/// stop it: only the parties that an offer names move its money, and only as the offer says. A later version is another contract.
/// @dev Callers show the offer again at each step; the word under its digest says where the grant stands. All payments are pulled:
/// a party whose account refuses money, or is on a token's black list, hinders nobody else.
contract ConsentLedger is EIP712, ReentrancyGuardTransient {
    /// @notice A proposer of blocks may shift their time by seconds, so no window is shorter than this.
    uint256 public constant MIN_WINDOW = 15 minutes;
    /// @notice How long a buyer may object to a key that was delivered on chain.
    uint256 public constant CHALLENGE_WINDOW = 1 days;
    /// @notice How long an arbiter may take; then the price is halved.
    uint256 public constant ARBITRATION_WINDOW = 30 days;

    bytes32 private constant OFFER_TYPE = keccak256(
        "Offer(bytes patient,address payee,address buyer,address custodian,address arbiter,address token,uint96 price,uint40 validUntil,uint32 deliverWithin,uint32 accessFor,bytes32 terms,bytes32 nonce)"
    );
    bytes32 private constant RECEIPT_TYPE = keccak256("Receipt(bytes32 offer,bytes32 delivery)");
    bytes32 private constant REVOCATION_TYPE = keccak256("Revocation(bytes32 offer)");
    bytes32 private constant WITHDRAWAL_TYPE = keccak256(
        "Withdrawal(bytes signer,address token,address to,uint256 amount,uint256 nonce,uint40 until)"
    );

    /// A credit is one word: the amount, above it how many signed withdrawals it has seen, above that whether it is a purse.
    uint256 private constant AMOUNT_BITS = 192;
    uint256 private constant AMOUNT_MASK = (1 << AMOUNT_BITS) - 1;
    uint256 private constant NONCE_ONE = 1 << AMOUNT_BITS;
    uint256 private constant NONCE_MASK = (1 << 63) - 1;
    uint256 private constant PURSE_FLAG = 1 << 255;

    /// grant id => deadline << 8 | status
    mapping(bytes32 id => uint256) private word;
    mapping(address token => mapping(address payee => uint256)) private credit;

    event Purchased(bytes32 indexed id, uint40 deadline);
    event Delivered(bytes32 indexed id, bytes wrapped, uint40 deadline);
    event Confirmed(bytes32 indexed id, bytes32 delivery, uint40 accessUntil);
    event Disputed(bytes32 indexed id, uint40 deadline);
    event Ended(bytes32 indexed id, Status status, uint256 toBuyer);
    event Withdrawn(address payee, address token, uint256 amount);
    event Anchored(address indexed custodian, bytes32 previous, bytes32 root, uint64 count);
    event Accessed(bytes32 indexed id, address indexed custodian, bytes32 entry);

    /// The caller is not the party that this step is for.
    error NotBuyer(bytes32 id);
    error NotPatient(bytes32 id);
    error NotCustodian(bytes32 id);
    error NotArbiter(bytes32 id);
    /// The grant stands elsewhere.
    error WrongStatus(bytes32 id, Status status);
    /// The signature is not the patient's, or the buyer's, over this grant on this contract and chain.
    error WrongSignature(bytes32 id);
    error OfferExpired(bytes32 id);
    error WindowTooShort(bytes32 id);
    error TooEarly(bytes32 id, uint256 deadline);
    error TooLate(bytes32 id, uint256 deadline);
    error NoArbiter(bytes32 id);
    error MoreThanPrice(bytes32 id, uint256 price);
    /// The value sent, or what the token really moved, is not the price.
    error WrongPayment(uint256 expected, uint256 given);
    error MixedTokens();
    error LengthMismatch();
    error NothingToWithdraw();
    error MoreThanCredit(uint256 credit);
    /// A purse is nobody's account: what it holds moves only by its signer's signature.
    error IsPurse();
    error WrongNonce(uint256 expected);
    error WithdrawalExpired();
    error BadRecipient();
    error TransferFailed();

    constructor() EIP712("Pulsemesh ConsentLedger", "1") {}

    // ---- Views

    /// @notice The EIP-712 digest that the patient signs and that names the grant everywhere.
    function offerId(Offer calldata offer) external view returns (bytes32) {
        return _id(offer);
    }

    /// @notice Where a grant stands. Deadline: funded, deliver until; delivered, object until; disputed, decide until; active, read
    /// until; else 0.
    function stateOf(bytes32 id) external view returns (Status status, uint40 deadline) {
        uint256 found = word[id];
        return (Status(uint8(found)), uint40(found >> 8));
    }

    /// @notice Whether the buyer may read now.
    function isAllowed(bytes32 id) external view returns (bool) {
        uint256 found = word[id];
        return uint8(found) == uint8(Status.Active) && block.timestamp <= found >> 8;
    }

    /// @notice What a payee may withdraw.
    function creditOf(address token, address payee) external view returns (uint256) {
        return credit[token][payee] & AMOUNT_MASK;
    }

    /// @notice The nonce that the next signed withdrawal of a payee must carry.
    function nonceOf(address token, address payee) external view returns (uint256) {
        return _nonce(credit[token][payee]);
    }

    /// @notice The payee that only a signature of `signer` can withdraw for: the first 20 bytes of keccak256 of the signer's bytes.
    function purseOf(bytes calldata signer) external pure returns (address) {
        return _purse(signer);
    }

    // ---- Purchase

    /// @notice The buyer pays the price of an offer that its patient signed.
    function purchase(Offer calldata offer, bytes calldata signature) external payable nonReentrant {
        _open(offer, signature);
        _receive(offer.token, offer.price);
    }

    /// @notice Buys several offers at once, all or none, all priced in one token.
    function purchaseMany(Offer[] calldata offers, bytes[] calldata signatures) external payable nonReentrant {
        uint256 count = offers.length;
        if (count == 0 || count != signatures.length) revert LengthMismatch();
        address token = offers[0].token;
        uint256 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            if (offers[i].token != token) revert MixedTokens();
            _open(offers[i], signatures[i]);
            total += offers[i].price;
        }
        _receive(token, total);
    }

    // ---- Delivery

    /// @notice Shows the buyer's receipt for the key, handed over or delivered on chain: the patient is credited and reading begins.
    /// Anybody may send it; the buyer itself needs no signature.
    function confirm(Offer calldata offer, bytes32 delivery, bytes calldata receipt) external nonReentrant {
        bytes32 id = _id(offer);
        if (!_isConfirmable(id)) revert WrongStatus(id, _status(id));
        _confirm(id, offer, delivery, receipt);
    }

    /// @notice Shows several receipts. Grants that are not waiting for one are passed over, so that nobody can spoil a batch by sending
    /// one of its receipts first.
    function confirmMany(Offer[] calldata offers, bytes32[] calldata deliveries, bytes[] calldata receipts)
        external
        nonReentrant
    {
        if (offers.length != deliveries.length || offers.length != receipts.length) revert LengthMismatch();
        for (uint256 i = 0; i < offers.length; ++i) {
            bytes32 id = _id(offers[i]);
            if (_isConfirmable(id)) _confirm(id, offers[i], deliveries[i], receipts[i]);
        }
    }

    /// @notice Where a buyer keeps silent: the custodian puts the key, sealed to the buyer, on the chain. The buyer may object for
    /// `CHALLENGE_WINDOW`.
    function deliverOnChain(Offer calldata offer, bytes calldata wrapped) external nonReentrant {
        bytes32 id = _id(offer);
        if (msg.sender != offer.custodian) revert NotCustodian(id);
        _requireBefore(id, _requireStatus(id, Status.Funded));
        uint40 deadline = _setWord(id, Status.Delivered, CHALLENGE_WINDOW);
        emit Delivered(id, wrapped, deadline);
    }

    /// @notice Nobody objected in time: the patient is credited and reading begins. Anybody may send it.
    function settle(Offer calldata offer) external nonReentrant {
        bytes32 id = _id(offer);
        _requireAfter(id, _requireStatus(id, Status.Delivered));
        _activate(id, offer, bytes32(0));
    }

    /// @notice Settles several; those that cannot be settled now are passed over.
    function settleMany(Offer[] calldata offers) external nonReentrant {
        for (uint256 i = 0; i < offers.length; ++i) {
            bytes32 id = _id(offers[i]);
            if (_isOverdue(id, Status.Delivered)) _activate(id, offers[i], bytes32(0));
        }
    }

    // ---- Dispute

    /// @notice The buyer objects to what was delivered on chain.
    function dispute(Offer calldata offer) external nonReentrant {
        bytes32 id = _id(offer);
        if (msg.sender != offer.buyer) revert NotBuyer(id);
        if (offer.arbiter == address(0)) revert NoArbiter(id);
        _requireBefore(id, _requireStatus(id, Status.Delivered));
        emit Disputed(id, _setWord(id, Status.Disputed, ARBITRATION_WINDOW));
    }

    /// @notice The arbiter divides the price between buyer and patient.
    function resolve(Offer calldata offer, uint256 toBuyer) external nonReentrant {
        bytes32 id = _id(offer);
        if (msg.sender != offer.arbiter) revert NotArbiter(id);
        _requireStatus(id, Status.Disputed);
        if (toBuyer > offer.price) revert MoreThanPrice(id, offer.price);
        _close(id, offer, toBuyer);
    }

    /// @notice An arbiter that is silent keeps nobody's money: after `ARBITRATION_WINDOW` anybody may have the price halved.
    function resolveUnanswered(Offer calldata offer) external nonReentrant {
        bytes32 id = _id(offer);
        _requireAfter(id, _requireStatus(id, Status.Disputed));
        _close(id, offer, offer.price - offer.price / 2);
    }

    // ---- Ends

    /// @notice No key came in time: the buyer is credited the price. Anybody may send it.
    function refund(Offer calldata offer) external nonReentrant {
        bytes32 id = _id(offer);
        _requireAfter(id, _requireStatus(id, Status.Funded));
        _close(id, offer, offer.price);
    }

    /// @notice Refunds several; those that cannot be refunded now are passed over.
    function refundMany(Offer[] calldata offers) external nonReentrant {
        for (uint256 i = 0; i < offers.length; ++i) {
            bytes32 id = _id(offers[i]);
            if (_isOverdue(id, Status.Funded)) _close(id, offers[i], offers[i].price);
        }
    }

    /// @notice The patient, by its own account, withdraws consent: before the purchase, before the delivery (the buyer is refunded) or
    /// while the buyer may read.
    function revoke(Offer calldata offer) external nonReentrant {
        bytes32 id = _id(offer);
        if (!_isRevocable(id)) revert WrongStatus(id, _status(id));
        _requirePatientCalls(id, offer);
        _revoke(id, offer);
    }

    /// @notice The same by the patient's signature over `Revocation(id)`, sent by anybody.
    function revokeBySignature(Offer calldata offer, bytes calldata signature) external nonReentrant {
        bytes32 id = _id(offer);
        if (!_isRevocable(id)) revert WrongStatus(id, _status(id));
        _requirePatientSigned(id, offer, signature);
        _revoke(id, offer);
    }

    /// @notice Revokes several; an empty signature means that the patient itself calls. Grants that cannot be revoked now are passed over.
    function revokeMany(Offer[] calldata offers, bytes[] calldata signatures) external nonReentrant {
        if (offers.length != signatures.length) revert LengthMismatch();
        for (uint256 i = 0; i < offers.length; ++i) {
            bytes32 id = _id(offers[i]);
            if (!_isRevocable(id)) continue;
            if (signatures[i].length == 0) _requirePatientCalls(id, offers[i]);
            else _requirePatientSigned(id, offers[i], signatures[i]);
            _revoke(id, offers[i]);
        }
    }

    // ---- Money out

    /// @notice Pays the caller all that it is credited.
    function withdraw(address token) external nonReentrant {
        uint256 found = credit[token][msg.sender];
        _pay(token, msg.sender, found, found & AMOUNT_MASK, msg.sender);
    }

    /// @notice Pays an account all that it is credited; anybody may send it. Purses are refused, since nobody could spend what they are sent.
    function withdrawFor(address payee, address token) external nonReentrant {
        uint256 found = credit[token][payee];
        if (found & PURSE_FLAG != 0) revert IsPurse();
        _pay(token, payee, found, found & AMOUNT_MASK, payee);
    }

    /// @notice Pays out of the purse of `signer`, by its signature over `Withdrawal`, to any address. Anybody may send it.
    /// @param nonce `nonceOf(token, purseOf(signer))`: each signature works once.
    function withdrawBySignature(
        bytes calldata signer,
        address token,
        address to,
        uint256 amount,
        uint256 nonce,
        uint40 until,
        bytes calldata signature
    ) external nonReentrant {
        if (block.timestamp > until) revert WithdrawalExpired();
        if (to == address(0) || to == address(this)) revert BadRecipient();
        address payee = _purse(signer);
        uint256 found = credit[token][payee];
        if (nonce != _nonce(found)) revert WrongNonce(_nonce(found));
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(WITHDRAWAL_TYPE, keccak256(signer), token, to, amount, nonce, until))
        );
        if (!_isSigned(signer, digest, signature)) revert WrongSignature(digest);
        _pay(token, payee, found + NONCE_ONE, amount, to);
    }

    // ---- Access logs

    /// @notice A custodian publishes the head of its access log. Events only: whoever reads them checks who sent them.
    function anchor(bytes32 previous, bytes32 root, uint64 count) external {
        emit Anchored(msg.sender, previous, root, count);
    }

    /// @notice A custodian publishes one access by itself.
    function logAccess(bytes32 id, bytes32 entry) external {
        emit Accessed(id, msg.sender, entry);
    }

    // ---- Steps

    /// The word is written before the signer is asked, so that a signer that calls back finds the grant taken.
    function _open(Offer calldata offer, bytes calldata signature) private {
        bytes32 id = _id(offer);
        if (msg.sender != offer.buyer) revert NotBuyer(id);
        if (block.timestamp > offer.validUntil) revert OfferExpired(id);
        if (offer.deliverWithin < MIN_WINDOW || offer.accessFor < MIN_WINDOW) revert WindowTooShort(id);
        _requireStatus(id, Status.None);
        uint40 deadline = _setWord(id, Status.Funded, offer.deliverWithin);
        if (!_isSigned(offer.patient, id, signature)) revert WrongSignature(id);
        emit Purchased(id, deadline);
    }

    function _confirm(bytes32 id, Offer calldata offer, bytes32 delivery, bytes calldata receipt) private {
        if (msg.sender != offer.buyer) {
            bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(RECEIPT_TYPE, id, delivery)));
            if (!_isSignedByAccount(offer.buyer, digest, receipt)) revert WrongSignature(id);
        }
        _activate(id, offer, delivery);
    }

    function _activate(bytes32 id, Offer calldata offer, bytes32 delivery) private {
        uint40 accessUntil = _setWord(id, Status.Active, offer.accessFor);
        _creditPatient(offer, offer.price);
        emit Confirmed(id, delivery, accessUntil);
    }

    /// `toBuyer` of the price goes back, the rest to the patient.
    function _close(bytes32 id, Offer calldata offer, uint256 toBuyer) private {
        word[id] = uint8(Status.Closed);
        _creditBuyer(offer, toBuyer);
        _creditPatient(offer, offer.price - toBuyer);
        emit Ended(id, Status.Closed, toBuyer);
    }

    function _revoke(bytes32 id, Offer calldata offer) private {
        uint256 toBuyer = _isAt(id, Status.Funded) ? offer.price : 0;
        word[id] = uint8(Status.Revoked);
        _creditBuyer(offer, toBuyer);
        emit Ended(id, Status.Revoked, toBuyer);
    }

    // ---- Money

    function _creditBuyer(Offer calldata offer, uint256 amount) private {
        if (amount != 0) credit[offer.token][offer.buyer] += amount;
    }

    /// A purse is marked when it is first credited: `withdrawFor` would else send its money where nobody has a key.
    function _creditPatient(Offer calldata offer, uint256 amount) private {
        if (amount == 0) return;
        mapping(address payee => uint256) storage credits = credit[offer.token];
        address payee = offer.payee;
        uint256 flag = payee == _purse(offer.patient) ? PURSE_FLAG : 0;
        // Amounts are below 2^96: it takes 2^96 grants to overflow.
        unchecked {
            credits[payee] = (credits[payee] + amount) | flag;
        }
    }

    /// Takes exactly `amount` from the caller. What the token moved is measured: one that keeps a fee would leave others' money short.
    function _receive(address token, uint256 amount) private {
        if (token == address(0)) {
            if (msg.value != amount) revert WrongPayment(amount, msg.value);
            return;
        }
        if (msg.value != 0) revert WrongPayment(0, msg.value);
        if (amount == 0) return;
        uint256 before = IERC20(token).balanceOf(address(this));
        SafeERC20.safeTransferFrom(IERC20(token), msg.sender, address(this), amount);
        uint256 moved = IERC20(token).balanceOf(address(this)) - before;
        if (moved != amount) revert WrongPayment(amount, moved);
    }

    /// Lowers the credit, then pays. `found`: the payee's word, its nonce already counted up where a signature is used.
    function _pay(address token, address payee, uint256 found, uint256 amount, address to) private {
        if (amount == 0) revert NothingToWithdraw();
        if (amount > found & AMOUNT_MASK) revert MoreThanCredit(found & AMOUNT_MASK);
        credit[token][payee] = found - amount;
        emit Withdrawn(payee, token, amount);
        if (token != address(0)) SafeERC20.safeTransfer(IERC20(token), to, amount);
        else if (!LowLevelCall.callNoReturn(to, amount, "")) revert TransferFailed();
    }

    // ---- Small parts

    function _id(Offer calldata offer) private view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    OFFER_TYPE,
                    keccak256(offer.patient),
                    offer.payee,
                    offer.buyer,
                    offer.custodian,
                    offer.arbiter,
                    offer.token,
                    offer.price,
                    offer.validUntil,
                    offer.deliverWithin,
                    offer.accessFor,
                    offer.terms,
                    offer.nonce
                )
            )
        );
    }

    function _purse(bytes calldata signer) private pure returns (address) {
        return address(bytes20(keccak256(signer)));
    }

    function _nonce(uint256 creditWord) private pure returns (uint256) {
        return (creditWord >> AMOUNT_BITS) & NONCE_MASK;
    }

    function _setWord(bytes32 id, Status status, uint256 window) private returns (uint40 deadline) {
        // Seconds since 1970 plus at most 2^32 stay below 2^40 for 30,000 years.
        deadline = uint40(block.timestamp + window);
        word[id] = uint256(deadline) << 8 | uint8(status);
    }

    function _status(bytes32 id) private view returns (Status) {
        return Status(uint8(word[id]));
    }

    function _isAt(bytes32 id, Status status) private view returns (bool) {
        return uint8(word[id]) == uint8(status);
    }

    function _isOverdue(bytes32 id, Status status) private view returns (bool) {
        uint256 found = word[id];
        return uint8(found) == uint8(status) && block.timestamp > found >> 8;
    }

    function _isConfirmable(bytes32 id) private view returns (bool) {
        Status status = _status(id);
        return status == Status.Funded || status == Status.Delivered;
    }

    function _isRevocable(bytes32 id) private view returns (bool) {
        Status status = _status(id);
        return status == Status.None || status == Status.Funded || status == Status.Active;
    }

    function _requireStatus(bytes32 id, Status expected) private view returns (uint256 deadline) {
        uint256 found = word[id];
        if (uint8(found) != uint8(expected)) revert WrongStatus(id, Status(uint8(found)));
        return found >> 8;
    }

    function _requireBefore(bytes32 id, uint256 deadline) private view {
        if (block.timestamp > deadline) revert TooLate(id, deadline);
    }

    function _requireAfter(bytes32 id, uint256 deadline) private view {
        if (block.timestamp <= deadline) revert TooEarly(id, deadline);
    }

    function _requirePatientCalls(bytes32 id, Offer calldata offer) private view {
        bytes calldata patient = offer.patient;
        if (patient.length != 20 || msg.sender != address(bytes20(patient))) revert NotPatient(id);
    }

    function _requirePatientSigned(bytes32 id, Offer calldata offer, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(REVOCATION_TYPE, id)));
        if (!_isSigned(offer.patient, digest, signature)) revert WrongSignature(id);
    }

    function _isSigned(bytes calldata signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        if (signer.length == 20) return _isSignedByAccount(address(bytes20(signer)), digest, signature);
        return SignatureChecker.isValidSignatureNow(signer, digest, signature);
    }

    /// Recovers first: most accounts have no code, and looking for it costs 2,600 gas. An account that has both key and code (EIP-7702)
    /// is signed for by either, as its key can always replace its code.
    function _isSignedByAccount(address account, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address recovered, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (fault == ECDSA.RecoverError.NoError && recovered == account) return true;
        return account.code.length != 0
            && SignatureChecker.isValidERC1271SignatureNowCalldata(account, digest, signature);
    }
}
