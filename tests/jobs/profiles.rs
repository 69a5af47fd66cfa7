//! Onboarding profiles as the platform stores them.

use crate::scene::Scene;

impl Scene {
    /// Adds `user-0` to `user-<count - 1>` to the platform, each with a completed profile dated 10:30, between the
    /// earlier and the later events of a [`history`](crate::scene::history).
    pub async fn add_profiles(&self, count: u32) {
        self.database
            .run(format!(
                r#"
                insert into users (id, email, "dateOfBirth", "updatedAt")
                select 'user-' || n, n || '@example.com',
                       case when n % 3 = 0 then timestamp '1950-05-12' + n % 50 * interval '1 year' end, now()
                from generate_series(0, {count} - 1) n;
                insert into travel_onboarding_profiles
                    (id, "userId", "isCompleted", "updatedAt", "globalBudgetRange", "travelTypes", "accommodationTypes",
                     "accommodationLevel", "interestCategories", "activityLevel", "travelGroupTypes", "travelWithChildren",
                     "childrenAges", "riskTolerance", "preferredDestinations")
                select 'profile-' || n, 'user-' || n, true, '2026-03-01 10:30:00',
                       jsonb_build_object('min', n % 4 * 50, 'max', n % 4 * 50 + n % 9 * 120, 'currency', 'EUR'),
                       array[(enum_range(null::"TravelType"))[1 + n % 16]],
                       array[(array['HOTEL', 'HOSTEL', 'RESORT'])[1 + n % 3]],
                       (enum_range(null::"ComfortLevel"))[1 + n % 4],
                       case when n % 2 = 0 then array['MUSEUMS'] end,
                       (enum_range(null::"ActivityLevel"))[1 + n % 4],
                       array[(array['SOLO', 'COUPLE', 'FAMILY', 'FRIENDS'])[1 + n % 4]],
                       n % 4 = 2, case when n % 4 = 2 then array[4, 9] end,
                       case when n % 5 > 1 then (enum_range(null::"RiskTolerance"))[n % 5 - 1] end,
                       case when n % 6 > 0 then '{{"regions": ["EUROPE"]}}'::jsonb end
                from generate_series(0, {count} - 1) n"#
            ))
            .await;
    }
}
