// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {RoundManager} from "../src/RoundManager.sol";
import {StakeVault} from "../src/StakeVault.sol";
import {IRoundManager} from "../src/interfaces/IRoundManager.sol";
import {IStakeVault} from "../src/interfaces/IStakeVault.sol";
import {Federation} from "./support/Federation.sol";
import {FeeToken, RefusingToken, ReentrantToken, SilentToken} from "./support/HostileTokens.sol";

/// @notice Takes coin, and calls the vault again while it does.
contract GreedyPayee {
    StakeVault private immutable _vault;
    bytes public answer;

    constructor(StakeVault vault) {
        _vault = vault;
    }

    function exit(uint256 amount) external {
        _vault.exit(amount);
    }

    function withdraw() external {
        _vault.withdraw(address(this));
    }

    receive() external payable {
        (, answer) = address(_vault).call(abi.encodeCall(IStakeVault.withdraw, (address(this))));
    }
}

contract StakeVaultTest is Federation {
    address private constant STAKER = address(0x57A4E);
    address private constant PROVER = address(0xC4A7);

    /// @dev From now on `vault` holds this currency.
    function hold(address currency) private {
        manager = new RoundManager(terms(registry));
        vault = new StakeVault(manager, IERC20(currency), UNBONDING, SINK);
        paidIn = currency;
        vm.prank(COORDINATOR);
        manager.attachVault(vault);
    }

    function deposit(address account, uint256 amount) private returns (uint256) {
        vm.prank(TREASURY);
        (bool approved,) = paidIn.call(abi.encodeCall(IERC20.approve, (address(vault), amount)));
        assertTrue(approved, "approved");
        vm.prank(TREASURY);
        return vault.deposit(account, amount);
    }

    function exit(uint256 amount) private {
        vm.prank(STAKER);
        vault.exit(amount);
    }

    function withdraw() private returns (uint256) {
        vm.prank(STAKER);
        return vault.withdraw(STAKER);
    }

    function slash(uint256 amount) private returns (uint256) {
        vm.prank(address(manager));
        return vault.slash(STAKER, amount, PROVER);
    }

    function refuse(bytes memory fault) private {
        vm.prank(STAKER);
        vm.expectRevert(fault);
    }

    // Construction

    function test_describesItself() public view {
        assertEq(vault.manager(), address(manager), "manager");
        assertEq(vault.currency(), address(token), "currency");
        assertEq(vault.unbondingTime(), UNBONDING, "unbonding");
        assertEq(vault.sinkAddress(), SINK, "sink");
        assertEq(address(manager.vault()), address(vault), "attached");
        assertEq(manager.longestDispute(), DELAY + 2 * ANSWER, "longest dispute");
    }

    function test_constructor_refusesBadTerms() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WrongManager.selector, address(0xDEAD)));
        new StakeVault(IRoundManager(address(0xDEAD)), token, UNBONDING, SINK);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.CurrencyHasNoCode.selector, address(0xDEAD)));
        new StakeVault(manager, IERC20(address(0xDEAD)), UNBONDING, SINK);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ZeroSink.selector));
        new StakeVault(manager, token, UNBONDING, address(0));
    }

    /// Who lied in the last second before it could leave must not be gone when the lie is proved.
    function test_constructor_unbondingOutlastsAnyDispute() public {
        uint64 longest = manager.longestDispute();
        bytes4 selector = IStakeVault.UnbondingOutOfRange.selector;
        vm.expectRevert(abi.encodeWithSelector(selector, longest, 730 days, longest));
        new StakeVault(manager, token, longest, SINK);
        vm.expectRevert(abi.encodeWithSelector(selector, longest, 730 days, 730 days + 1));
        new StakeVault(manager, token, 730 days + 1, SINK);
        new StakeVault(manager, token, longest + 1, SINK);
    }

    function test_attach_isOnceBeforeTheFirstRoundAndMutual() public {
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.VaultFixed.selector, address(vault)));
        manager.attachVault(vault);

        RoundManager other = new RoundManager(terms(registry));
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.NotCoordinator.selector, COORDINATOR, address(this)));
        other.attachVault(vault);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.WrongVault.selector, address(vault)));
        other.attachVault(vault);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.WrongVault.selector, address(0xDEAD)));
        other.attachVault(IStakeVault(address(0xDEAD)));

        manager = other;
        post(nextHeader(keccak256("root"), 1 ether));
        StakeVault late = new StakeVault(other, token, UNBONDING, SINK);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IRoundManager.VaultFixed.selector, address(0)));
        other.attachVault(late);
    }

    // In and out

    function test_deposit_countsForTheAccount() public {
        vm.prank(TREASURY);
        token.approve(address(vault), 5 ether);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IStakeVault.Deposited(STAKER, TREASURY, 5 ether, 5 ether);
        vm.prank(TREASURY);
        assertEq(vault.deposit(STAKER, 5 ether), 5 ether, "received");
        deposit(STAKER, 2 ether);
        assertEq(vault.stakeOf(STAKER), 7 ether, "stake");
        assertEq(vault.stakeOf(TREASURY), 0, "the payer's stake");
    }

    function test_deposit_refusesNothingNobodyAndCoin() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NothingReceived.selector, 0));
        vault.deposit(STAKER, 0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.ZeroAccount.selector));
        vault.deposit(address(0), 1);
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.WrongValue.selector, 0, 1));
        vault.deposit{value: 1}(STAKER, 1);
    }

    function test_exit_waitsForTheUnbondingTime() public {
        deposit(STAKER, 10 ether);
        uint64 releaseAt = uint64(vm.getBlockTimestamp()) + UNBONDING;
        vm.expectEmit(true, true, true, true, address(vault));
        emit IStakeVault.ExitStarted(STAKER, 4 ether, 4 ether, releaseAt);
        exit(4 ether);
        assertEq(vault.stakeOf(STAKER), 10 ether, "all still at stake");
        vm.warp(releaseAt - 1);
        refuse(abi.encodeWithSelector(IStakeVault.StillUnbonding.selector, releaseAt, releaseAt - 1));
        vault.withdraw(STAKER);
        vm.warp(releaseAt);
        assertEq(withdraw(), 4 ether, "paid");
        assertEq(token.balanceOf(STAKER), 4 ether, "received");
        assertEq(vault.stakeOf(STAKER), 6 ether, "left");
        refuse(abi.encodeWithSelector(IStakeVault.NothingUnbonding.selector, STAKER));
        vault.withdraw(STAKER);
    }

    function test_exit_asksForWhatIsThere() public {
        deposit(STAKER, 10 ether);
        refuse(abi.encodeWithSelector(IStakeVault.NotBonded.selector, 10 ether, 11 ether));
        vault.exit(11 ether);
        refuse(abi.encodeWithSelector(IStakeVault.NotBonded.selector, 10 ether, 0));
        vault.exit(0);
    }

    /// A second exit waits from its own start, and takes the first along.
    function test_exit_aSecondOneRestartsTheClock() public {
        deposit(STAKER, 10 ether);
        exit(4 ether);
        vm.warp(vm.getBlockTimestamp() + UNBONDING - 1);
        exit(1 ether);
        (uint256 amount, uint64 releaseAt) = vault.unbondingOf(STAKER);
        assertEq(amount, 5 ether, "together");
        assertEq(releaseAt, vm.getBlockTimestamp() + UNBONDING, "later");
    }

    function test_cancelExit_putsItBack() public {
        deposit(STAKER, 10 ether);
        exit(4 ether);
        vm.prank(STAKER);
        vault.cancelExit();
        (uint256 amount, uint64 releaseAt) = vault.unbondingOf(STAKER);
        assertEq(amount, 0, "unbonding");
        assertEq(releaseAt, 0, "release");
        exit(10 ether);
        vm.prank(address(0xBEEF));
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NothingUnbonding.selector, address(0xBEEF)));
        vault.cancelExit();
    }

    // Slashing

    function test_slash_isTheManagersAlone() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotManager.selector, address(manager), address(this)));
        vault.slash(STAKER, 1, PROVER);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NotManager.selector, address(manager), COORDINATOR));
        vault.slash(STAKER, 1, PROVER);
    }

    /// Leaving doesn't help: what unbonds is cut first.
    function test_slash_reachesWhatUnbonds() public {
        deposit(STAKER, 10 ether);
        exit(4 ether);
        assertEq(slash(3 ether), 3 ether, "cut");
        (uint256 unbonding,) = vault.unbondingOf(STAKER);
        assertEq(unbonding, 1 ether, "unbonding");
        assertEq(slash(3 ether), 3 ether, "cut");
        assertEq(vault.stakeOf(STAKER), 4 ether, "bonded");
        assertEq(slash(100 ether), 4 ether, "all that was left");
        assertEq(slash(100 ether), 0, "nothing left");
    }

    /// Half to the prover, rounded down: a liar that proves its own lie still loses half.
    function test_slash_neverPaysTheProverMoreThanHalf(uint128 staked, uint128 cut) public {
        staked = uint128(bound(staked, 1, 100_000 ether));
        deposit(STAKER, staked);
        vm.prank(address(manager));
        uint256 got = vault.slash(STAKER, cut, STAKER);
        assertEq(got, cut < staked ? cut : staked, "cut");
        assertEq(vault.owedTo(STAKER), got / 2, "back to itself");
        assertEq(vault.owedTo(SINK), got - got / 2, "lost");
    }

    function test_collect_paysProverAndSink() public {
        deposit(STAKER, 10 ether);
        slash(5 ether);
        vm.prank(PROVER);
        assertEq(vault.collect(address(0xBEEF)), 2.5 ether, "reward");
        assertEq(token.balanceOf(address(0xBEEF)), 2.5 ether, "received");
        assertEq(vault.sink(), 2.5 ether, "sunk");
        assertEq(token.balanceOf(SINK), 2.5 ether, "the sink's");
        vm.prank(PROVER);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NothingOwed.selector, PROVER));
        vault.collect(PROVER);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NothingOwed.selector, SINK));
        vault.sink();
    }

    function test_payments_toNobodyAreRefused() public {
        deposit(STAKER, 10 ether);
        exit(4 ether);
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        refuse(abi.encodeWithSelector(IStakeVault.ZeroAccount.selector));
        vault.withdraw(address(0));
    }

    // Coin and hostile currencies

    function test_coin_goesInAndOut() public {
        hold(address(0));
        vm.deal(STAKER, 10 ether);
        vm.prank(STAKER);
        vault.deposit{value: 10 ether}(STAKER, 10 ether);
        refuse(abi.encodeWithSelector(IStakeVault.WrongValue.selector, 1, 0));
        vault.deposit(STAKER, 1);
        exit(10 ether);
        slash(4 ether);
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        assertEq(withdraw(), 6 ether, "paid");
        assertEq(STAKER.balance, 6 ether, "received");
        vm.prank(PROVER);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.PaymentRefused.selector, address(token), 2 ether));
        vault.collect(address(token));
        assertEq(vault.owedTo(PROVER), 2 ether, "still owed");
    }

    function test_coin_reenteringPayeeGetsItOnce() public {
        hold(address(0));
        GreedyPayee greedy = new GreedyPayee(vault);
        vm.deal(address(this), 20 ether);
        vault.deposit{value: 10 ether}(address(greedy), 10 ether);
        vault.deposit{value: 10 ether}(STAKER, 10 ether);
        greedy.exit(10 ether);
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        greedy.withdraw();
        assertEq(address(greedy).balance, 10 ether, "once");
        assertEq(
            bytes32(greedy.answer()), bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector), "shut"
        );
    }

    function test_feeOnTransfer_countsWhatArrives() public {
        hold(address(new FeeToken(TREASURY, 100 ether)));
        assertEq(deposit(STAKER, 10 ether), 9.9 ether, "received");
        assertEq(vault.stakeOf(STAKER), 9.9 ether, "stake");
    }

    function test_returnsNothing_isStaked() public {
        hold(address(new SilentToken(TREASURY, 100 ether)));
        deposit(STAKER, 10 ether);
        exit(10 ether);
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        assertEq(withdraw(), 10 ether, "paid");
    }

    function test_returnsFalse_staysOwed() public {
        hold(address(new RefusingToken(TREASURY, 100 ether)));
        deposit(STAKER, 10 ether);
        exit(10 ether);
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        (bool paid,) = address(vault).call(abi.encodeCall(IStakeVault.withdraw, (STAKER)));
        assertTrue(!paid, "paid");
        assertEq(vault.stakeOf(STAKER), 10 ether, "stake");
    }

    function test_reenteringToken_isShut() public {
        ReentrantToken reentrant = new ReentrantToken(TREASURY, 100 ether);
        hold(address(reentrant));
        deposit(STAKER, 10 ether);
        exit(5 ether);
        vm.warp(vm.getBlockTimestamp() + UNBONDING);
        reentrant.arm(abi.encodeCall(IStakeVault.sink, ()));
        assertEq(withdraw(), 5 ether, "outer");
        assertTrue(reentrant.attacked() && !reentrant.succeeded(), "shut");
    }
}
