-- Second factors from before they were kept here: of whom identity said something about factors, that is heard again from the last of it on, as `events replay` does it.

with last as (
    select subject, max(sequence) - 1 as before from inbox
    where source = 'identity' and type in ('identity.two_factor.enabled.v1', 'identity.two_factor.removed.v1') group by subject
), rewound as (
    update inbox_cursors as cursor set sequence = before, replayed = greatest(replayed, sequence), snapshot = least(snapshot, before)
    from last where cursor.source = 'identity' and cursor.subject = last.subject and sequence > before
    returning cursor.subject, before
)
delete from inbox using rewound where inbox.source = 'identity' and inbox.subject = rewound.subject and inbox.sequence > before;
