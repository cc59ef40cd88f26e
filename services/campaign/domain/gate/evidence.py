"""What a decision keeps beside its reason, so that it can be understood, and weighed against others, later."""

from services.campaign.domain.decision import Evidence
from services.campaign.domain.gate import platforms
from services.campaign.domain.gate.caps import bounds, counted
from services.campaign.domain.gate.situation import Candidate, Situation


def evidence(candidate: Candidate, situation: Situation, check: str, asked: frozenset[str]) -> Evidence:
    """Returns the evidence of a decision: `check` made it, or none did; `asked` are the checks that were asked."""
    in_force, now, zone = situation.in_force, situation.now, situation.zone
    rules: dict[str, int] = {}
    if "frequency" in asked:
        rules = {
            rule.name: len(counted(rule, situation.history, now=now, zone=zone))
            for rule in situation.rules
            if bounds(rule, candidate)
        }
    if "platform_caps" in asked:
        rules |= {
            f"platform/{cap.name}": len(counted(cap, situation.history, now=now, zone=zone))
            for rule in platforms.RULES
            for cap in rule.caps_of(candidate)
        }
    propensity = 1.0
    if not candidate.transactional:
        holdouts = (in_force.policy.global_holdout, in_force.policy.holdouts.get(candidate.definition.id))
        for holdout in holdouts:
            propensity *= 1 - round(holdout.percent * 100) / 10_000 if holdout else 1
    return Evidence(
        policy=in_force.version,
        check=check,
        rules=rules,
        propensity=round(propensity, 6) if "holdout" in asked or "global_holdout" in asked else None,
        priority=in_force.policy.priority(candidate.definition.id),
    )
