// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {RewardDistributor} from "../src/RewardDistributor.sol";
import {IRewardDistributor} from "../src/interfaces/IRewardDistributor.sol";
import {Claim, Leaf} from "../src/types/Reward.sol";
import {Federation} from "./support/Federation.sol";
import {
    BlockingToken,
    FeeToken,
    RebasingToken,
    ReentrantToken,
    RefusingToken,
    SilentToken
} from "./support/HostileTokens.sol";

contract HostileTokensTest is Federation {
    function threeFunded(address hostile, uint256 amount) private returns (Settlement memory s) {
        payIn(hostile);
        fund(amount);
        s = settlementOf(numbers(10 ether, 20 ether, 30 ether));
        settle(s);
    }

    function balance(address account) private view returns (uint256) {
        return IERC20(paidIn).balanceOf(account);
    }

    /// What arrived counts, not what was sent: the last claims wait for more money and nobody is paid from another's share.
    function test_feeOnTransfer_countsWhatArrives() public {
        payIn(address(new FeeToken(TREASURY, 1_000 ether)));
        assertEq(fund(60 ether), 59.4 ether, "received");
        Settlement memory s = settlementOf(numbers(10 ether, 20 ether, 30 ether));
        uint64 round = settle(s);
        submit(claimOf(round, s, 0));
        submit(claimOf(round, s, 1));
        assertEq(balance(memberOf(0)), 9.9 ether, "fee taken from the payee");
        refuse(
            claimOf(round, s, 2), abi.encodeWithSelector(IRewardDistributor.Underfunded.selector, 29.4 ether, 30 ether)
        );
        fund(1 ether);
        submit(claimOf(round, s, 2));
        assertEq(distributor.totalPaid(), 60 ether, "total");
    }

    function test_returnsNothing_isPaid() public {
        Settlement memory s = threeFunded(address(new SilentToken(TREASURY, 100 ether)), 60 ether);
        for (uint256 i = 0; i < 3; ++i) {
            submit(claimOf(1, s, i));
            assertEq(balance(memberOf(i)), s.leaves[i].cumulative, "received");
        }
    }

    function test_returnsFalse_isNoPayment() public {
        Settlement memory s = threeFunded(address(new RefusingToken(TREASURY, 100 ether)), 60 ether);
        refuse(
            claimOf(1, s, 0), abi.encodeWithSelector(IRewardDistributor.PaymentRefused.selector, memberOf(0), 10 ether)
        );
        assertEq(distributor.paidTo(nodeKeyOf(0)), 0, "paid");
    }

    /// A blocked payee keeps nobody else waiting, and gets its money at another address from the next round on.
    function test_blocksAPayee_othersArePaid() public {
        Settlement memory s = threeFunded(address(new BlockingToken(TREASURY, 100 ether, memberOf(1))), 60 ether);
        refuse(
            claimOf(1, s, 1), abi.encodeWithSelector(IRewardDistributor.PaymentRefused.selector, memberOf(1), 20 ether)
        );
        submit(claimOf(1, s, 0));
        submit(claimOf(1, s, 2));
        Leaf[] memory leaves = s.leaves;
        leaves[1].payout = address(0xBEEF);
        Settlement memory next = settlementOf(leaves);
        assertEq(submit(claimOf(settle(next), next, 1)), 20 ether, "paid at the new address");
        assertEq(balance(address(0xBEEF)), 20 ether, "received");
    }

    function test_rebases_claimsWaitForMoney() public {
        RebasingToken rebasing = new RebasingToken(TREASURY, 1_000 ether);
        Settlement memory s = threeFunded(address(rebasing), 60 ether);
        rebasing.shrink(address(distributor), 45 ether);
        refuse(claimOf(1, s, 1), abi.encodeWithSelector(IRewardDistributor.Underfunded.selector, 15 ether, 20 ether));
        submit(claimOf(1, s, 0));
        fund(45 ether);
        submit(claimOf(1, s, 1));
        submit(claimOf(1, s, 2));
        assertEq(balance(address(distributor)), 0, "held");
    }

    function test_reenters_claimIsShut() public {
        (ReentrantToken reentrant, Settlement memory s) = reentrantFunded();
        Claim memory c = claimOf(1, s, 0);
        attack(reentrant, s, abi.encodeCall(RewardDistributor.claim, (c)));
    }

    function test_reenters_claimManyIsShut() public {
        (ReentrantToken reentrant, Settlement memory s) = reentrantFunded();
        Claim[] memory claims = new Claim[](2);
        claims[0] = claimOf(1, s, 0);
        claims[1] = claimOf(1, s, 1);
        attack(reentrant, s, abi.encodeCall(RewardDistributor.claimMany, (claims)));
    }

    function test_reenters_fundIsShut() public {
        (ReentrantToken reentrant, Settlement memory s) = reentrantFunded();
        attack(reentrant, s, abi.encodeCall(RewardDistributor.fund, (1 ether)));
    }

    function reentrantFunded() private returns (ReentrantToken reentrant, Settlement memory s) {
        reentrant = new ReentrantToken(TREASURY, 100 ether);
        s = threeFunded(address(reentrant), 60 ether);
    }

    function attack(ReentrantToken reentrant, Settlement memory s, bytes memory attempt) private {
        reentrant.arm(attempt);
        assertEq(submit(claimOf(1, s, 0)), 10 ether, "outer claim");
        assertTrue(reentrant.attacked(), "attacked");
        assertTrue(!reentrant.succeeded(), "shut");
        assertEq(
            bytes32(reentrant.answer()),
            bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "reason"
        );
        assertEq(distributor.totalPaid(), 10 ether, "total");
        assertEq(balance(memberOf(0)), 10 ether, "received");
    }
}
